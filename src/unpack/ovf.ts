/** OVF descriptors (DSP0243): which files of an appliance are its disks. The XML is read by the package `saxes`. */
import { corrupt, ImageError } from '../errors.js';

/** The names of the files that disks are in, in the descriptor's order. Throws `corrupt` or `unsupported`. */
export async function disksOfOvf(text: string): Promise<string[]> {
  const { SaxesParser } = await import('saxes');
  const files = new Map<string, string>();
  const wanted = new Set<string>();
  const parser = new SaxesParser();
  parser.on('opentag', ({ name, attributes }) => {
    const element = localName(name);
    const values = new Map(Object.entries(attributes).map(([key, value]) => [localName(key), String(value)]));
    if (element === 'File') {
      if (values.has('chunkSize'))
        throw new ImageError('unsupported', 'The OVF descriptor names files that are split into chunks');
      files.set(values.get('id') ?? '', values.get('href') ?? '');
    }
    const reference = element === 'Disk' ? values.get('fileRef') : undefined;
    if (reference !== undefined) wanted.add(reference);
  });
  parser.on('error', (error) => {
    throw corrupt(`The OVF descriptor is damaged: ${error.message}`);
  });
  parser.write(text).close();
  return [...wanted].map((id) => {
    const name = files.get(id);
    if (name === undefined || name === '') throw corrupt(`The OVF descriptor names no file for '${id}'`);
    return name;
  });
}

/** Without its namespace, which writers abbreviate as they like. */
function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}
