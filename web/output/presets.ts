/** Destinations: where a disk is to run, what that wants, and why. */
import type { OptionValues } from '../../src/platform/web/index.js';

export interface Preset {
  readonly name: string;
  readonly format: string;
  readonly options: OptionValues;
  readonly compress?: boolean;
  /** Where the destination insists on a name. */
  readonly fileName?: string;
  /** Bytes, where the destination takes only disks of whole multiples of it. */
  readonly wholeUnit?: number;
  /** For the user: why this, and what to do with the result. */
  readonly why: string;
}

/** Of several for one destination, the first whose format can be written counts. */
export const PRESETS: readonly Preset[] = [
  {
    name: 'QEMU, KVM, Proxmox',
    format: 'qcow2',
    options: {},
    why: 'QCOW2 grows with its content and has snapshots. Proxmox takes it with “qm importdisk”.',
  },
  {
    name: 'VirtualBox',
    format: 'vdi',
    options: {},
    why: 'VDI is VirtualBox’s own format. It grows with its content; attach it as an existing disk.',
  },
  {
    name: 'VMware',
    format: 'vmdk',
    options: { subformat: 'monolithicSparse' },
    why: 'One growing VMDK, for Workstation, Player and Fusion. An ESXi server wants subformat “streamOptimized” for an import.',
  },
  {
    name: 'Hyper-V',
    format: 'vhdx',
    options: { subformat: 'dynamic' },
    why: 'VHDX is what Hyper-V has used since 2012: disks up to 64 TB, and it grows with its content.',
  },
  {
    name: 'Azure',
    format: 'vpc',
    options: { subformat: 'fixed', force_size: 'on' },
    wholeUnit: 1024 ** 2,
    why: 'Azure takes fixed VHDs only, of whole MiB. Upload it as a page blob.',
  },
  {
    name: 'AWS',
    format: 'vmdk',
    options: { subformat: 'streamOptimized' },
    why: 'VM Import takes stream-optimized VMDKs: small to upload, compressed on the way.',
  },
  {
    name: 'AWS',
    format: 'vpc',
    options: { subformat: 'dynamic', force_size: 'on' },
    why: 'VM Import takes dynamic VHDs: only what is used is uploaded to S3.',
  },
  {
    name: 'Google Cloud',
    format: 'raw',
    options: {},
    fileName: 'disk.raw',
    wholeUnit: 1024 ** 3,
    why: 'Compute Engine imports a .tar.gz with one file called disk.raw, of whole GiB: pack it with “tar --format=oldgnu -Sczf image.tar.gz disk.raw”.',
  },
  {
    name: 'USB stick',
    format: 'raw',
    options: {},
    why: 'A raw image is the disk itself, byte for byte. Write it with dd, Rufus or balenaEtcher; the stick has to be at least as large.',
  },
];
