/** What the headers say, as rows of a list. */
import type { Inspection, NodeInfo, Survey } from '../../src/platform/web/index.js';
import type { ImageFile } from '../intake/image-file.js';
import { sizeWithParts } from '../intake/intake.js';
import { percentText, sizeText } from '../shell/text.js';
import { sharesOf } from './shares.js';

export interface Fact {
  readonly name: string;
  readonly value: string;
}

/** Names of formats as people know them; others stay as they are. */
const FORMAT_WORDS: Readonly<Record<string, string>> = {
  raw: 'Raw disk',
  qcow2: 'QCOW2',
  qcow: 'QCOW',
  vdi: 'VirtualBox VDI',
  vhdx: 'Hyper-V VHDX',
  vpc: 'VHD (vpc)',
  vmdk: 'VMware VMDK',
  parallels: 'Parallels HDD',
  dmg: 'Apple DMG',
  luks: 'LUKS',
  qed: 'QED',
  cloop: 'cloop',
  bochs: 'Bochs',
};

/** `VirtualBox VDI` of `vdi`. */
export function formatWords(name: string): string {
  return FORMAT_WORDS[name] ?? name.toUpperCase();
}

/** Details that formats tell, and how a person would say them. */
const DETAILS: readonly { key: string; name: string; show: (value: unknown) => string | null }[] = [
  { key: 'compat', name: 'Version', show: (value) => (value === '0.10' ? '2 (compat 0.10)' : '3 (compat 1.1)') },
  { key: 'create-type', name: 'Kind', show: String },
  { key: 'data-file', name: 'Data file', show: (value) => (typeof value === 'string' ? value : null) },
];

/** The facts of the top layer. */
export function factsOf(file: ImageFile, inspection: Inspection, survey: Survey | null): Fact[] {
  const { layers, partitions } = inspection;
  const size = sizeWithParts({ file, inspection });
  const top = layers[0]!;
  const scheme = { gpt: 'GPT', mbr: 'MBR', none: 'none: one file system on the whole disk' };
  return [
    { name: 'Format', value: formatWords(top.format) },
    { name: 'Disk size', value: sizeText(top.virtualSize) },
    { name: 'Size of the file', value: sizeText(file.size) },
    ...(size > file.size ? [{ name: 'All its files', value: sizeText(size) }] : []),
    ...('url' in file ? [{ name: 'Read from', value: new URL(file.url).host }] : []),
    ...(top.clusterSize ? [{ name: 'Cluster size', value: sizeText(top.clusterSize) }] : []),
    ...detailsOf(top),
    ...compressionOf(top, survey),
    ...(top.encrypted ? [{ name: 'Encrypted', value: 'yes' }] : []),
    ...(partitions ? [{ name: 'Partition table', value: scheme[partitions.scheme] }] : []),
  ];
}

/** Only the map tells whether anything is compressed: said once all of it is known. */
function compressionOf({ specific }: NodeInfo, survey: Survey | null): Fact[] {
  if (survey === null || survey.known < survey.data.length) return [];
  const { data, compressed } = sharesOf(survey);
  const type = specific?.data['compression-type'];
  if (compressed === 0) return type === undefined ? [] : [{ name: 'Compression', value: 'none' }];
  const share = `${percentText(compressed / data)} of the data`;
  return [{ name: 'Compression', value: type === undefined ? share : `${String(type)}, ${share}` }];
}

function detailsOf({ specific }: NodeInfo): Fact[] {
  return DETAILS.flatMap(({ key, name, show }) => {
    const value = specific?.data[key];
    const shown = value === undefined ? null : show(value);
    return shown === null ? [] : [{ name, value: shown }];
  });
}
