/** A source as it crosses the worker's border, for the commands. */

import type { ConvertRequest as Command } from '../../commands/convert.js';
import { optionText } from '../../commands/create-options.js';
import type { ImageName, Trust } from '../../commands/settings.js';
import { commandName } from './platform.js';
import type { Content, SourceRequest } from './protocol.js';

type Sources = Pick<Command, 'sources' | 'sourceFormat' | 'imageOptions'>;

/** The files of a source by their names. */
export function pickedFiles({ files }: SourceRequest): Map<string, Content> {
  return new Map(files.map(({ name, content }) => [name, content]));
}

/** What `--image-opts` and `-f` say of the source. */
export function imageName({ name, format, options }: SourceRequest): ImageName {
  const runtime = optionText(options);
  if (runtime === null) return { name: commandName(name), format, imageOptions: false };
  const file = optionText({ driver: format ?? 'raw', 'file.filename': commandName(name) });
  return { name: `${file},${runtime}`, format: null, imageOptions: true };
}

/** The sources of `convert`: the disk, and behind it `padding` bytes of zeros, if it has any. */
export function sourcesOf(request: SourceRequest, padding: number): Sources {
  const { name, format, imageOptions } = imageName(request);
  if (padding === 0) return { sources: [name], sourceFormat: format, imageOptions };
  const disk = imageOptions ? name : optionText({ ...(format && { driver: format }), 'file.filename': name })!;
  return { sources: [disk, zeros(padding)], sourceFormat: null, imageOptions: true };
}

function zeros(size: number): string {
  return `driver=null-co,size=${size},read-zeroes=on`;
}

/** A reference can only lead to another file that was picked. */
export function trustOf({ secrets }: SourceRequest): Trust {
  const encoder = new TextEncoder();
  return {
    allowExternal: true,
    secrets: new Map(Object.entries(secrets).map(([id, text]) => [id, encoder.encode(text)])),
  };
}
