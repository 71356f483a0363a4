/** What the manual page says that no table knows. `*…*` is bold, `_…_` is to be replaced. */

export const DESCRIPTION = [
  '*diskloom* makes, converts, inspects and changes virtual-disk images. It takes the command lines of *qemu-img*(1), prints ' +
    'the same texts and JSON, and ends with the same exit codes, so that a script may call it in the place of qemu-img.',
  'What it writes depends on its input and options alone: it is the same for every *-m* and with or without *-W*.',
];

/** More about verbs than the one line of their help. */
export const ABOUT_VERBS: { readonly [verb: string]: readonly string[] } = {
  amend: ['What can be changed is listed under IMAGE FORMATS.'],
  bench: ['Sends requests of one size, *-d* of them at once, and prints how long all of them took.'],
  bitmap: [
    'Several actions may be given; they are done in their order. Only qcow2 images of version 3 have persistent bitmaps.',
  ],
  check: [
    'Formats that can be checked: qcow2, qed, vdi, vhdx, vmdk and parallels. With *-r* the image is written to: nobody else ' +
      'may be using it. Findings go to standard error, the summary to standard output.',
  ],
  commit: [
    'Writes what the overlay FILENAME holds into its backing file, which becomes as large as the overlay, and then empties ' +
      'the overlay. With *-b* the changes go into an image further down in the chain; all that is between becomes invalid.',
  ],
  compare: [
    'What lies behind the end of the shorter disk has to be zeros for the disks to be the same, unless *-s* is given.',
  ],
  convert: [
    'Zeros and unallocated parts of the sources take no space in the target where its format allows that. A target that this ' +
      'run has created is removed again when the conversion fails or is interrupted; a regular file that existed is emptied.',
    'Sources may be compressed files (.gz, .xz, .zst, .bz2) and disks in archives (.tar, .ova, .box), which are told by their content.',
  ],
  create: ['Without SIZE an overlay is as large as its backing file.'],
  dd: ['Operands are those of *dd*(1). The target is always made anew.'],
  map: [
    'The text lists the parts that hold data, with the file and the place in it; JSON lists all parts, with what each is.',
  ],
  measure: ['With a source, options and bitmaps of that image count too.'],
  rebase: [
    'The disk keeps its content: what differs between the old and the new backing file is copied into the image first. With *-u* ' +
      'only the name is changed, as is needed when a backing file was moved.',
  ],
  resize: [
    'SIZE is the new size, or with a sign what is added or taken away. Suffixes: k, M, G, T, P, E. A smaller disk needs *--shrink*.',
  ],
  snapshot: ['Only qcow2 images have snapshots inside.'],
};

export const FILE_NAMES: readonly (readonly [name: string, meaning: string])[] = [
  ['PATH, file:PATH', 'A file or a block device. A path with a colon in it needs *./* or *file:* before it.'],
  ['nbd://HOST[:PORT][/EXPORT]', 'An export of an NBD server; *nbd+unix:///EXPORT?socket=PATH* for a local one.'],
  [
    'http://..., https://...',
    'A file on a web server, read only; the server has to send parts of it (range requests).',
  ],
  ['null-co://, null-aio://', 'A disk of zeros that takes everything.'],
  ['blkdebug:CONFIG:PATH', 'An image with errors on demand, by the rules in the file CONFIG.'],
  [
    'json:{...}',
    'A tree of drivers: *json:{"driver":"qcow2","file":{"driver":"file","filename":"disk"}}*. With *--image-opts* the same ' +
      'is a list: *driver=qcow2,file.filename=disk*. Drivers are the formats, the protocols and the filters blkdebug, blkverify and quorum.',
  ],
];

export const CACHE: readonly (readonly [mode: string, meaning: string])[] = [
  ['writeback', 'The page cache is used, and flushed at the end.'],
  ['none, off', 'The page cache is not used (O_DIRECT); flushed at the end.'],
  ['writethrough', 'The page cache is used, each write is flushed.'],
  ['directsync', 'The page cache is not used, each write is flushed.'],
  ['unsafe', 'The page cache is used and nothing is flushed.'],
];

export const ENVIRONMENT: readonly (readonly [name: string, meaning: string])[] = [
  [
    'SOURCE_DATE_EPOCH',
    'Seconds since 1970: the time that new images and snapshots are given instead of the present one.',
  ],
  ['TMPDIR', 'Where compressed sources are unpacked, in files without names; /var/tmp otherwise.'],
];

export const EXITS: readonly (readonly [code: string, meaning: string])[] = [
  ['0', 'All is well.'],
  ['1', 'It failed, or the command line makes no sense; standard error says why.'],
  ['130, 143, 129', 'Ended by SIGINT, SIGTERM or SIGHUP; a target that this run has created is removed.'],
];

export const EXAMPLES: readonly (readonly [what: string, ...lines: string[]])[] = [
  ['Convert a raw disk to compressed qcow2, with progress:', 'diskloom convert -p -c -O qcow2 disk.raw disk.qcow2'],
  [
    'To a VMDK for ESXi, with the option of the format:',
    'diskloom convert -O vmdk -o subformat=streamOptimized disk.qcow2 disk.vmdk',
  ],
  ['The disk inside an appliance, as raw:', 'diskloom convert --member disk1.vmdk -O raw appliance.ova disk.raw'],
  [
    'An overlay, and its changes back into the base:',
    'diskloom create -f qcow2 -b base.qcow2 -F qcow2 overlay.qcow2',
    'diskloom commit overlay.qcow2',
  ],
  [
    'An encrypted image; the passphrase is in a file:',
    'diskloom create --object secret,id=key,file=passphrase -f qcow2 \\',
    '    -o encrypt.format=luks,encrypt.key-secret=key secret.qcow2 10G',
  ],
  ['Ten gigabytes more for the disk:', 'diskloom resize disk.qcow2 +10G'],
  ['Repair what can be repaired:', 'diskloom check -r all disk.qcow2'],
  ['Complete command lines in this shell:', 'source <(diskloom completion bash)'],
];

export const DIFFERENCES = [
  'Files that an image names (backing files, data files, extents) are opened only at or below the directory of the image that ' +
    'you named; *--allow-external* lifts that. Damage that qemu-img reads as zeros, such as tables behind the end of the file, is ' +
    'refused. Compressed output holds other streams. Objects but secrets, TLS, tracing and protocols but those under FILE NAMES are refused.',
  'The whole list is in docs/DIFFERENCES.md of the package.',
];

/** The formats by their full names. */
export const FORMAT_TITLES: { readonly [format: string]: string } = {
  qcow2: 'QEMU Copy-On-Write 2 and 3',
  qcow: 'QEMU Copy-On-Write 1',
  qed: 'QEMU Enhanced Disk',
  vdi: 'VirtualBox Disk Image',
  vhdx: 'Microsoft Hyper-V Virtual Hard Disk, version 2',
  vpc: 'Microsoft Virtual Hard Disk (VHD)',
  vmdk: 'VMware Virtual Machine Disk',
  parallels: 'Parallels Hard Disk (HDD)',
  bochs: 'Bochs growing disk',
  cloop: 'Compressed loop',
  dmg: 'Apple Universal Disk Image Format (UDIF)',
  luks: 'Linux Unified Key Setup, version 1',
  raw: 'The bytes of the disk and nothing else',
};
