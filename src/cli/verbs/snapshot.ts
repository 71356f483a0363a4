/** `snapshot` on the command line. */
import type { Platform } from '../../commands/platform.js';
import { changeSnapshots, listSnapshots, type SnapshotAction } from '../../commands/snapshot.js';
import { UsageError } from '../getopt.js';
import { snapshotLines } from '../info-text.js';
import { helpOption, type Option, option, parseInto } from '../options.js';
import { print } from '../output.js';
import { printedEvents, printWarning } from '../program.js';
import { environmentIdentity, type ReadingRequest, readingOptions } from './common.js';
import type { Verb } from './verb.js';

interface SnapshotArguments extends ReadingRequest {
  /** null: none was asked for. */
  action: 'list' | SnapshotAction | null;
}

const options: readonly Option<SnapshotArguments>[] = [
  helpOption(),
  option('q', 'quiet', null, 'print nothing but errors (nothing else is printed anyway, but for -l)', () => {}),
  ...readingOptions<SnapshotArguments>(),
  option('l', 'list', null, 'list the snapshots (the default)', (request) => choose(request, 'list')),
  option('c', 'create', 'SNAPSHOT', 'make a snapshot of the disk as it is', (request, name) =>
    choose(request, { kind: 'create', name }),
  ),
  option('a', 'apply', 'SNAPSHOT', 'make the disk what it was, by name or id', (request, name) =>
    choose(request, { kind: 'apply', name }),
  ),
  option('d', 'delete', 'SNAPSHOT', 'delete the snapshot of this name', (request, name) =>
    choose(request, { kind: 'delete', name }),
  ),
];

function choose(request: SnapshotArguments, action: NonNullable<SnapshotArguments['action']>): void {
  if (request.action !== null) throw new UsageError("Cannot mix '-l', '-a', '-c', '-d'");
  request.action = action;
}

async function run(args: readonly string[], platform: Platform): Promise<number> {
  const request: SnapshotArguments = {
    help: false,
    format: null,
    imageOptions: false,
    share: false,
    allowExternal: false,
    action: null,
  };
  const [name, ...more] = parseInto(request, options, args);
  if (name === undefined || more.length > 0) throw new UsageError('Expecting one image file name');
  const { action } = request;
  const image = { ...request, name, onWarning: printWarning, events: printedEvents };
  if (action === null || action === 'list') {
    const lines = snapshotLines(await listSnapshots(platform, image));
    print(lines.map((line) => `${line}\n`).join(''));
  } else await changeSnapshots(platform, image, action, environmentIdentity().time ?? null);
  return 0;
}

export const snapshot: Verb = {
  name: 'snapshot',
  summary: 'Lists, makes, applies and deletes the snapshots within an image.',
  operands: 'FILENAME',
  options,
  run,
};
