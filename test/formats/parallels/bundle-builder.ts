/** Bundles: the text of a descriptor, from its parts. */

/** What a guest writes to where nothing else is said. */
export const TOP = '{5fbaabe3-6958-40ff-92a7-860e329aab41}';
export const NOTHING = '{00000000-0000-0000-0000-000000000000}';

export interface StoragePart {
  /** Sectors. */
  start: number | string;
  end: number | string;
  images: { guid: string; type: string; file: string }[];
}

export interface DescriptorParts {
  /** Sectors; null: not told. */
  size: number | string | null;
  storages: StoragePart[];
  shots: { guid: string; parent: string }[];
  top?: string;
  padding?: string;
  engine?: string;
}

/** As Parallels Desktop writes it, but for what nobody reads. */
export function descriptorText({
  size,
  storages,
  shots,
  top,
  padding = '0',
  engine = NOTHING,
}: DescriptorParts): string {
  const images = (part: StoragePart) =>
    part.images.map(
      ({ guid, type, file }) => `<Image><GUID>${guid}</GUID><Type>${type}</Type><File>${file}</File></Image>`,
    );
  return `<?xml version='1.0' encoding='UTF-8'?>
<Parallels_disk_image Version="1.0">
  <Disk_Parameters>
    ${size === null ? '' : `<Disk_size>${size}</Disk_size>`}
    <Cylinders>130</Cylinders><Heads>16</Heads><Sectors>32</Sectors><Padding>${padding}</Padding>
    <Encryption><Engine>${engine}</Engine><Data></Data></Encryption>
    <Name>a &amp; b</Name>
  </Disk_Parameters>
  <StorageData>
    ${storages
      .map(
        (part) => `<Storage>
      <Start>${part.start}</Start><End>${part.end}</End><Blocksize>128</Blocksize>
      ${images(part).join('\n      ')}
    </Storage>`,
      )
      .join('\n    ')}
  </StorageData>
  <Snapshots>
    ${top === undefined ? '' : `<TopGUID>${top}</TopGUID>`}
    ${shots.map(({ guid, parent }) => `<Shot><GUID>${guid}</GUID><ParentGUID>${parent}</ParentGUID></Shot>`).join('\n    ')}
  </Snapshots>
</Parallels_disk_image>
`;
}
