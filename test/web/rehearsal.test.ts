import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { InlineKernels } from '../../src/kernels/inline.js';
import type { Kernels } from '../../src/kernels/kernels.js';
import { Gate } from '../../src/platform/web/gate.js';
import type { Traffic } from '../../src/platform/web/picked-file.js';
import { rehearse } from '../../src/platform/web/rehearsal.js';

const module = new WebAssembly.Module(readFileSync('build/kernels.wasm'));

function someTraffic(): Traffic {
  return {
    meter: { read: 0, written: 0 },
    gate: new Gate(),
    opened: new Set(),
    remote: () => {
      throw new Error('nothing of it is far away');
    },
  };
}

/** Kernels that count the buffers which are out at once, at most, and all that have come back. */
function countedKernels(): { kernels: Kernels; out: { most: number; now: number } } {
  const out = { most: 0, now: 0 };
  const kernels = new InlineKernels({ module, shared: false });
  const buffer = kernels.buffer.bind(kernels);
  kernels.buffer = (length) => {
    const taken = buffer(length);
    out.now++;
    out.most = Math.max(out.most, out.now);
    return {
      bytes: taken.bytes,
      release() {
        taken.release();
        out.now--;
      },
    };
  };
  return { kernels, out };
}

describe('rehearse', () => {
  it('converts, takes as many buffers as a conversion can have, and gives them back', async () => {
    const { kernels, out } = countedKernels();
    await rehearse(kernels, someTraffic());
    expect(out).toEqual({ most: 8, now: 0 });
  });

  it('counts nothing and opens nothing that a report would name', async () => {
    const traffic = someTraffic();
    await rehearse(countedKernels().kernels, traffic);
    expect(traffic.meter).toEqual({ read: 0, written: 0 });
    expect([...traffic.opened]).toEqual([]);
  });
});
