/** What a page and its engine worker say to each other. */
import type { PlainError } from '../../errors.js';
import type { OptionValues } from '../../image/options.js';

/** A conversion as it crosses the worker's border: all of it can be cloned. */
export interface ConvertRequest {
  /** Name of the one in `files` to convert. */
  source: string;
  /** Names are different from each other. */
  files: { name: string; blob: Blob }[];
  /** null: to be found out. */
  sourceFormat: string | null;
  target: FileSystemFileHandle;
  /** For messages. */
  targetName: string;
  format: string;
  compress: boolean;
  options: OptionValues;
  parallel: number;
  workers: number | undefined;
}

export interface ConvertProgress {
  /** `finalising`: all is written, and the browser moves a chosen file into place, seconds a gigabyte. */
  phase: 'converting' | 'finalising';
  /** Guest bytes that are done, ascending. */
  done: number;
  /** Guest bytes in all. */
  total: number;
}

export interface ConvertReport {
  /** Guest disk in bytes. */
  diskSize: number;
  /** The finished target in bytes; what a file system makes of its holes is not known here. */
  fileSize: number;
  /** Bytes written as plain data, and bytes of compressed streams. */
  plainBytes: number;
  packedBytes: number;
}

/** Errors cross the border as data: a thrown one would lose its code. */
export type Reply<T> = { ok: T } | { error: PlainError };

/** What the engine worker serves. */
export interface EngineApi {
  /** One conversion; a worker does one in its life. */
  convert(request: ConvertRequest, onProgress: (progress: ConvertProgress) => void): Promise<Reply<ConvertReport>>;
  /** Ends the conversion: it then answers with the error `aborted`. */
  cancel(): void;
}
