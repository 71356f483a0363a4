/** The output of `map`, as `qemu-img` prints it. */

import type { MapEntry } from '../commands/map.js';
import { digits } from '../commands/sizes.js';
import { ImageError } from '../errors.js';

/** Turns entries into text, one after the other. */
export interface MapPrinter {
  begin(): string;
  entry(entry: MapEntry): string;
  end(): string;
}

/** A table of the data, for people. It cannot tell of data that has no place of its own. */
export class MapTable implements MapPrinter {
  begin(): string {
    return `${['Offset', 'Length', 'Mapped to'].map((title) => title.padEnd(16)).join('')}File\n`;
  }

  entry({ start, length, data, zero, offset, fileName }: MapEntry): string {
    if (!data) return '';
    if (offset === null)
      throw new ImageError('unsupported', 'File contains external, encrypted or compressed clusters.');
    if (zero) return '';
    return `${[start, length, offset].map((value) => hexadecimal(value).padEnd(16)).join('')}${fileName ?? ''}\n`;
  }

  end(): string {
    return '';
  }
}

/** `0x1000`; zero has no prefix, as in C. */
function hexadecimal(value: number): string {
  return value === 0 ? '0' : `0x${value.toString(16)}`;
}

/** A JSON array, an entry a line. */
export class MapJson implements MapPrinter {
  #separator = '';

  begin(): string {
    return '[';
  }

  entry(entry: MapEntry): string {
    const { start, length, depth, present, zero, data, compressed, offset } = entry;
    const place = offset === null ? '' : `, "offset": ${offset}`;
    const text =
      `${this.#separator}{ "start": ${digits(start)}, "length": ${digits(length)}, "depth": ${depth}, "present": ${present}, ` +
      `"zero": ${zero}, "data": ${data}, "compressed": ${compressed}${place}}`;
    this.#separator = ',\n';
    return text;
  }

  end(): string {
    return ']\n';
  }
}
