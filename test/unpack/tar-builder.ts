/** Tar archives, made by hand: also such as no program writes. */

export interface Entry {
  name: string;
  content?: Uint8Array | string;
  /** '0' unless given. */
  type?: string;
  /** What the header says of the size; default: the content's. */
  size?: number | Uint8Array;
  /** Changes the header before its checksum is made. */
  change?(header: Buffer): void;
}

const BLOCK = 512;

/** An archive with its two blocks of zeros at the end. */
export function tarOf(...entries: Entry[]): Buffer {
  return Buffer.concat([...entries.flatMap(blocksOf), Buffer.alloc(2 * BLOCK)]);
}

function blocksOf({ name, content = '', type = '0', size, change }: Entry): Buffer[] {
  const bytes = Buffer.from(content);
  const header = Buffer.alloc(BLOCK);
  header.write(name, 0, 100);
  header.write('0000644\0', 100);
  if (size instanceof Uint8Array) header.set(size, 124);
  else header.write((size ?? bytes.length).toString(8).padStart(11, '0'), 124);
  header.write(type, 156);
  header.write('ustar\0', 257);
  header.write('00', 263);
  change?.(header);
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return [header, bytes, Buffer.alloc(-bytes.length & (BLOCK - 1))];
}

/** The content of an extended header. */
export function paxOf(records: { [key: string]: string }): string {
  return Object.entries(records)
    .map(([key, value]) => {
      const rest = ` ${key}=${value}\n`;
      let length = rest.length + 1;
      while (`${length}${rest}`.length > length) length++;
      return `${length}${rest}`;
    })
    .join('');
}

/** A descriptor of an appliance with these disks, by the ids of their files. */
export function ovfOf(files: { [id: string]: string }, disks: readonly string[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <References>${Object.entries(files)
    .map(([id, href]) => `<File ovf:href="${href}" ovf:id="${id}" ovf:size="1"/>`)
    .join('')}</References>
  <DiskSection><Info>Disks</Info>${disks
    .map((id, index) => `<Disk ovf:capacity="1" ovf:diskId="disk${index}" ovf:fileRef="${id}"/>`)
    .join('')}</DiskSection>
</Envelope>`;
}
