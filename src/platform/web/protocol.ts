/** What a page and its engine worker say to each other: all of it can be cloned. */
import type * as Comlink from 'comlink';
import type { NodeInfo } from '../../commands/info.js';
import type { PlainError } from '../../errors.js';
import type { OptionTable, OptionValues } from '../../image/options.js';
import type { PartitionTable } from '../../image/partitions/partitions.js';
import type { Survey } from '../../image/survey.js';
import type { RemoteFile } from '../net/http/remote-file.js';
import type { HelperHost } from './helpers.js';
import type { Reply } from './reply.js';

/** Where the bytes of a file come from: this machine, or a web server. */
export type Content = Blob | RemoteFile;

/** The image that a request is about, and what belongs to it. */
export interface SourceRequest {
  /** Name of the one in `files` that is meant. */
  name: string;
  /** Names are different from each other. */
  files: { name: string; content: Content }[];
  /** null: to be found out. */
  format: string | null;
  /** How the format is to be opened, by `qemu-img`'s names: `encrypt.key-secret`; needs `format`. */
  options: OptionValues;
  /** Passphrases by the ids that options name. */
  secrets: { readonly [id: string]: string };
  /** The disk as it was at this internal snapshot, by id or name; null: as it is. */
  snapshot: string | null;
}

/** Where a new image is made: in a file, or in a folder that holds all of its files. */
export type TargetPlace = FileSystemFileHandle | FileSystemDirectoryHandle;

/** A conversion. */
export interface ConvertRequest {
  source: SourceRequest;
  target: TargetPlace;
  /** For messages, and for the names of the files in a folder. */
  targetName: string;
  format: string;
  compress: boolean;
  options: OptionValues;
  /** Bytes of zeros behind the disk, whole sectors. */
  padding: number;
  /** UUIDs and times follow from the request. */
  reproducible: boolean;
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
  /** Bytes read from the source's files so far, and written to the target. */
  bytesRead: number;
  bytesWritten: number;
}

export interface ConvertReport {
  /** Guest disk in bytes. */
  diskSize: number;
  /** The finished target in bytes, all files of it; what a file system makes of their holes is not known here. */
  fileSize: number;
  /** The files that the target is made of, the one to be opened first. */
  files: WrittenFile[];
  /** Bytes written as plain data, and bytes of compressed streams. */
  plainBytes: number;
  packedBytes: number;
}

/** A file of a finished target. */
export interface WrittenFile {
  name: string;
  /** Bytes. */
  size: number;
}

/** What can be told of an image at once. */
export interface Inspection {
  /** The image first, then its backing files, as far as they could be opened. */
  layers: NodeInfo[];
  /** Why the chain ends too early, or why the disk cannot be read; null: it can. */
  trouble: PlainError | null;
  /** null: none that is known, or the disk cannot be read. */
  partitions: PartitionTable | null;
  /** What is odd but goes on. */
  warnings: string[];
  /** Names of all files that belong to it, its own first. */
  files: string[];
}

/** A compressed file, and the empty file of OPFS that is to hold what it unpacks to. */
export interface UnpackRequest {
  name: string;
  content: Content;
  target: FileSystemFileHandle;
}

/** A finished image beside what it was made of; files of both may have the same names. */
export interface VerifyRequest {
  source: SourceRequest;
  target: SourceRequest;
}

export interface Verification {
  /** First byte of the disk that differs; null: none does. */
  difference: number | null;
  /** SHA-256 of the disk's content, in hexadecimal; null where it differs. */
  sha256: string | null;
}

/** A format as a target or source. */
export interface FormatInfo {
  name: string;
  reads: boolean;
  writes: boolean;
  /** It can compress. */
  compresses: boolean;
  /** Create options. */
  options: OptionTable;
  /** The option of opening that names the secret with the passphrase; null: it is never encrypted. */
  keyOption: string | null;
}

/** Guest bytes done, of all. */
export type OnStep = (done: number, total: number) => void;

/** What the engine worker serves; a worker does one thing in its life. */
export interface EngineApi {
  /** Comes first: who starts the workers that it needs. */
  begin(host: Comlink.Remote<HelperHost>): void;
  /** Holds a lock of this name until the worker dies: whoever gets it then knows. */
  live(lock: string): Promise<void>;
  /** Starts the kernels that a conversion will use. */
  warmUp(): Promise<void>;
  formats(): FormatInfo[];
  /** Asks a web server for a file. */
  openRemote(address: string): Promise<Reply<RemoteFile>>;
  inspect(source: SourceRequest): Promise<Reply<Inspection>>;
  /** The same survey again and again, more of it known each time. */
  survey(source: SourceRequest, cells: number, onSurvey: (survey: Survey) => void): Promise<Reply<null>>;
  convert(request: ConvertRequest, onProgress: (progress: ConvertProgress) => void): Promise<Reply<ConvertReport>>;
  verify(request: VerifyRequest, onStep: OnStep): Promise<Reply<Verification>>;
  /** Tells how many of the packed bytes are done. */
  unpack(request: UnpackRequest, onStep: OnStep): Promise<Reply<null>>;
  /** Nothing more is read while `held`. */
  hold(held: boolean): void;
  /** Ends what is under way: it then answers with the error `aborted`. */
  cancel(): void;
}
