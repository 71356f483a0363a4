import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { drivers } from '../../src/formats/index.js';
import { type CommandParts, commandLine } from '../../web/output/command.js';
import { PRESETS } from '../../web/output/presets.js';

const PARTS: CommandParts = {
  source: 'disk.vmdk',
  target: 'disk.qcow2',
  format: 'qcow2',
  options: {},
  compress: false,
  padding: 0,
  reproducible: false,
  snapshot: null,
  opening: null,
};

/** The arguments as a shell understands them. */
function words(command: string): string[] {
  const printed = execFileSync('sh', ['-c', `set -- ${command}; for word; do printf '%s\\0' "$word"; done`]);
  return printed.toString().split('\0').slice(0, -1);
}

describe('the command that the page shows', () => {
  it('is plain where nothing is special', () => {
    expect(commandLine(PARTS)).toBe('diskloom convert -p -O qcow2 disk.vmdk disk.qcow2');
  });

  it('reads from the web server that the page reads from', () => {
    const source = 'https://host/a,b.qcow2';
    expect(words(commandLine({ ...PARTS, source })).at(-2)).toBe(source);
    const opening = { format: 'qcow2', options: { 'encrypt.key-secret': 'source' } };
    expect(words(commandLine({ ...PARTS, source, opening })).at(-2)).toBe(
      'driver=qcow2,encrypt.key-secret=source,file.driver=https,file.url=https://host/a,,b.qcow2',
    );
  });

  it('says what was set, and where passphrases come from', () => {
    const options = { cluster_size: '128k', 'encrypt.format': 'luks', 'encrypt.key-secret': 'target' };
    const opening = { format: 'luks', options: { 'key-secret': 'source' } };
    expect(words(commandLine({ ...PARTS, options, opening, snapshot: '1', reproducible: true }))).toEqual([
      ...['diskloom', 'convert', '-p'],
      ...['--object', 'secret,id=source,file=source.txt', '--object', 'secret,id=target,file=target.txt'],
      ...['--reproducible', '-l', 'snapshot.id=1', '--image-opts', '-O', 'qcow2'],
      ...['-o', 'cluster_size=128k,encrypt.format=luks,encrypt.key-secret=target'],
      'driver=luks,key-secret=source,file.filename=disk.vmdk',
      'disk.qcow2',
    ]);
  });

  it('names the zeros behind the disk as another source', () => {
    const command = { ...PARTS, padding: 512 };
    const zeros = 'driver=null-co,size=512,read-zeroes=on';
    expect(words(commandLine(command))).toEqual([
      ...['diskloom', 'convert', '-p', '--image-opts', '-O', 'qcow2'],
      ...['file.filename=disk.vmdk', zeros, 'disk.qcow2'],
    ]);
    const opening = { format: 'luks', options: { 'key-secret': 'source' } };
    expect(words(commandLine({ ...command, opening })).slice(-3)).toEqual([
      ...['driver=luks,key-secret=source,file.filename=disk.vmdk', zeros, 'disk.qcow2'],
    ]);
  });

  it('survives a shell, whatever the names are', () => {
    for (const name of ['it\'s $HOME; `ls` "x" .img', '-o', 'a:b', 'ünï cödé', '*.img'])
      expect(words(commandLine({ ...PARTS, source: name })).at(-2)).toBe(/^-|:/.test(name) ? `./${name}` : name);
  });
});

describe('destinations', () => {
  it('name formats that are written, options that they have, and values that are allowed', () => {
    for (const { name, format, options, compress = false } of PRESETS) {
      const driver = drivers.find((each) => each.name === format);
      expect(driver?.create, name).toBeDefined();
      expect(driver!.compresses || !compress, name).toBe(true);
      for (const [option, value] of Object.entries(options)) {
        const row = driver!.createOptions.find((each) => each.name === option);
        expect(row, `${name}: ${option}`).toBeDefined();
        if (row!.values) expect(row!.values, name).toContain(value);
      }
    }
  });
});
