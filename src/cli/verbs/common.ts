/** Options that several verbs share. */
import { parseKeyValues } from '../../commands/blockdev.js';
import { isOptionList } from '../../commands/create-options.js';
import type { SnapshotChoice } from '../../commands/snapshots.js';
import { ImageError } from '../../errors.js';
import type { IdentityWishes } from '../../image/identity.js';
import type { UnpackWishes } from '../../unpack/unpacking.js';
import { withObject } from '../objects.js';
import { type HelpRequest, type Option, type OutputFormat, option, outputArgument, sizeArgument } from '../options.js';
import { printError } from '../program.js';

export interface ReadingRequest extends HelpRequest {
  format: string | null;
  imageOptions: boolean;
  share: boolean;
  allowExternal: boolean;
  unpack?: UnpackWishes | undefined;
}

/** `--member`, `--unpack-limit`: for verbs that read images, which may be packed. */
export function unpackOptions<R extends { unpack?: UnpackWishes | undefined }>(): Option<R>[] {
  return [
    option(
      '',
      'member',
      'NAME',
      "the file of an archive (.ova, .tar) that is meant (diskloom's own)",
      (request, value) => {
        request.unpack = { ...request.unpack, member: value };
      },
    ),
    option(
      '',
      'unpack-limit',
      'SIZE',
      "most bytes that a compressed file may become (default 1T; diskloom's own)",
      (request, value) => {
        request.unpack = { ...request.unpack, limit: sizeArgument('unpacking limit', value) };
      },
    ),
  ];
}

/** `-f`, `--image-opts`, `-U`, `--object`, `--allow-external`, and those of packed files. */
export function readingOptions<R extends ReadingRequest>(): Option<R>[] {
  return [
    option('f', 'format', 'FMT', 'format of the image; probed unless given', (request, value) => {
      request.format = value;
    }),
    option('', 'image-opts', null, 'FILENAME is a list of key=value options instead of a file name', (request) => {
      request.imageOptions = true;
    }),
    option('U', 'force-share', null, 'open the image even if another program is writing to it', (request) => {
      request.share = true;
    }),
    objectOption(),
    externalOption(),
    ...unpackOptions<R>(),
  ];
}

/** What verbs ask that show how far they are. */
export interface ProgressRequest extends HelpRequest {
  progress: boolean;
  quiet: boolean;
}

/** `-p`, `-q`. */
export function progressOptions<R extends ProgressRequest>(): Option<R>[] {
  return [
    option('p', 'progress', null, 'show progress', (request) => {
      request.progress = true;
    }),
    option('q', 'quiet', null, 'print nothing but errors', (request) => {
      request.quiet = true;
    }),
  ];
}

/** `--object`: secrets, for options that name them. */
export function objectOption<R extends HelpRequest>(): Option<R> {
  return option('', 'object', 'OBJDEF', 'a QEMU object: secret,id=ID,data=TEXT or file=NAME', (request, value) => {
    request.secrets = withObject(request.secrets ?? new Map(), value);
  });
}

/** `--allow-external`: lifts the policy on files that an image names. */
export function externalOption<R extends { allowExternal: boolean }>(): Option<R> {
  return option(
    '',
    'allow-external',
    null,
    "also open files that an image names outside its own directory (diskloom's own)",
    (request) => {
      request.allowExternal = true;
    },
  );
}

/** `--reproducible`, for verbs that make images; the time is that of SOURCE_DATE_EPOCH, with or without it. */
export function reproducibleOption<R extends { identity?: IdentityWishes | undefined }>(): Option<R> {
  const help = "UUIDs and times that are the same for the same size and options (diskloom's own)";
  return option('', 'reproducible', null, help, (request) => {
    request.identity = { ...request.identity, reproducible: true };
  });
}

/** Identities as the environment wants them: SOURCE_DATE_EPOCH is the time. Throws `invalid`. */
export function environmentIdentity(): IdentityWishes {
  const text = process.env.SOURCE_DATE_EPOCH ?? '';
  if (text === '') return {};
  const time = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(time))
    throw new ImageError('invalid', `Invalid SOURCE_DATE_EPOCH specified: '${text}'`);
  return { time };
}

/** `--output human|json`. */
export function outputOption<R extends { output: OutputFormat }>(): Option<R> {
  return option('', 'output', 'human|json', 'how to print it (default human)', (request, value) => {
    request.output = outputArgument(value);
  });
}

/** Joins repeated `-o`. Throws `invalid` for a list that would not survive that. */
export function appendOptions(request: { options: string | null }, list: string): void {
  if (!isOptionList(list)) throw new ImageError('invalid', `Invalid option list: ${list}`);
  request.options = request.options === null ? list : `${request.options},${list}`;
}

/** An id or a name, or `snapshot.id=…,snapshot.name=…`. */
export function snapshotArgument(text: string): SnapshotChoice {
  if (!text.startsWith('snapshot.')) return { idOrName: text };
  let id: string | null = null;
  let name: string | null = null;
  for (const { key, value } of parseKeyValues(text)) {
    if (key === 'snapshot.id') id = value;
    else if (key === 'snapshot.name') name = value;
    else {
      printError(`Invalid parameter '${key}'`);
      throw new ImageError('invalid', `Failed in parsing snapshot param '${text}'`);
    }
  }
  return { id, name };
}
