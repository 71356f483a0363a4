import { describe, expect, it } from 'vitest';
import { verifyDisk } from '../../src/commands/verify.js';
import { ModelImage } from '../support/model-image.js';
import { PlainKernels } from '../support/plain-kernels.js';

const MIB = 1024 * 1024;

function disk(dataMib: number, zeroMib: number): ModelImage {
  return new ModelImage([
    { kind: 'data', length: dataMib * MIB },
    { kind: 'zero', length: zeroMib * MIB },
  ]);
}

describe('verifyDisk', () => {
  it('hands over the content in order, and reads no zeros', async () => {
    const original = disk(3, 5);
    const kernels = new PlainKernels();
    const seen: Uint8Array[] = [];
    const onBytes = (bytes: Uint8Array) => void seen.push(bytes.slice());
    expect(await verifyDisk(original, disk(3, 5), kernels, { onBytes })).toBeNull();
    expect(Buffer.compare(Buffer.concat(seen), original.content(0, 8 * MIB))).toBe(0);
    expect(original.reads.every(({ offset }) => offset < 3 * MIB)).toBe(true);
    expect(kernels.held).toBe(0);
  });

  it('finds the first byte that differs', async () => {
    const copy = disk(3, 5);
    const read = copy.read.bind(copy);
    copy.read = async (offset, into) => {
      await read(offset, into);
      if (offset <= 2_500_000 && offset + into.length > 2_500_000) into[2_500_000 - offset]! ^= 1;
    };
    expect(await verifyDisk(disk(3, 5), copy, new PlainKernels(), {})).toBe(2_500_000);
  });

  it('takes a longer copy if what is more is zeros, and no shorter one', async () => {
    expect(await verifyDisk(disk(2, 0), disk(2, 1), new PlainKernels(), {})).toBeNull();
    expect(await verifyDisk(disk(1, 0), disk(2, 0), new PlainKernels(), {})).toBe(MIB);
    expect(await verifyDisk(disk(1, 2), disk(1, 1), new PlainKernels(), {})).toBe(2 * MIB);
  });
});
