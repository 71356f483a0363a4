/** Where the tables of chunks are kept: in a resource fork, or in a property list as base64. */
import { viewOf } from '../../bytes.js';
import { corrupt } from '../../errors.js';
import type { ByteSource } from '../../storage/storage.js';
import { LIMITS, type Trailer } from './layout.js';

/** All resources, tables or not. Throws `corrupt`. */
export async function readResources(source: ByteSource, trailer: Trailer): Promise<Uint8Array[]> {
  const { resourceForkOffset, resourceForkLength, propertyListOffset, propertyListLength } = trailer;
  if (resourceForkLength > 0)
    return resourcesOfFork(await readPart(source, resourceForkOffset, resourceForkLength, 'resource fork'));
  if (propertyListLength > 0)
    return resourcesOfList(await readPart(source, propertyListOffset, propertyListLength, 'property list'));
  throw corrupt('The UDIF image has neither a property list nor a resource fork');
}

async function readPart(source: ByteSource, offset: number, length: number, what: string): Promise<Uint8Array> {
  if (length > LIMITS.resources) throw corrupt(`The UDIF ${what} is too large`);
  const bytes = new Uint8Array(length);
  await source.read(offset, bytes);
  return bytes;
}

/** Resources follow each other, each with its length before it (Inside Macintosh, "Resource Manager"). */
function resourcesOfFork(fork: Uint8Array): Uint8Array[] {
  const damaged = corrupt('The UDIF resource fork is damaged');
  if (fork.length < 16) throw damaged;
  const view = viewOf(fork);
  const start = view.getUint32(0);
  const length = view.getUint32(8);
  const end = start + length;
  if (length === 0 || end > fork.length) throw damaged;
  const resources: Uint8Array[] = [];
  for (let at = start; at < end; ) {
    if (at + 4 > end) throw damaged;
    const size = view.getUint32(at);
    at += 4;
    if (size === 0 || size > end - at) throw damaged;
    resources.push(fork.subarray(at, at + size));
    at += size;
  }
  return resources;
}

/** All `data` elements, wherever they stand: a table tells by its own magic that it is one. */
function resourcesOfList(list: Uint8Array): Uint8Array[] {
  const text = new TextDecoder('latin1').decode(list);
  const resources: Uint8Array[] = [];
  for (let at = text.indexOf('<data>'); at >= 0; at = text.indexOf('<data>', at)) {
    const end = text.indexOf('</data>', at);
    if (end < 0) throw corrupt('The UDIF property list is damaged');
    resources.push(decodeBase64(text.slice(at + '<data>'.length, end)));
    at = end;
  }
  return resources;
}

function decodeBase64(text: string): Uint8Array {
  const letters = text.replace(/[^A-Za-z0-9+/]/g, '');
  // a single letter at the end means nothing
  const whole = letters.length % 4 === 1 ? letters.slice(0, -1) : letters;
  return Uint8Array.from(atob(whole), (letter) => letter.charCodeAt(0));
}
