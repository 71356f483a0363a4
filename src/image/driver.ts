/**
 * Drivers: one per format, values in the table of `formats/index.ts`.
 *
 * A driver has only the methods that its format supports; an absent method *is* the statement "not supported".
 */
import type { Kernels } from '../kernels/kernels.js';
import type { MaybePromise } from '../maybe.js';
import type { ByteSource, ByteStore } from '../storage/storage.js';
import type { AmendableImage } from './amend.js';
import type { BitmapEditor } from './bitmap-edit.js';
import type { CheckableImage, CheckEvents } from './check.js';
import type { EncryptionContext } from './encryption.js';
import type { Identity } from './identity.js';
import type { EditableImage, Image, ImageWriter } from './image.js';
import type { Measurement, MeasureRequest } from './measure.js';
import type { OptionTable, OptionValues } from './options.js';

/** What a driver needs of the world besides the storage itself. */
export interface DriverContext {
  readonly kernels: Kernels;
  /**
   * Opens a file that the image names (data file, extent). It applies the policy of law 5: throws `external` unless
   * the file lies at or below the directory of the image that the user named, or the user allowed more.
   *
   * @param role what `info` calls it among the image's children: `data-file`, `extents.0`
   */
  openReference(name: string, mode: 'read' | 'write' | 'create', role: string): Promise<ByteStore>;
  /**
   * Looks for a file that the image does not know by name: shows `look` the files whose names end so, of the image's
   * directory and of the one above it, one after another, by the names that a backing file of theirs would have in the
   * header, until it says that it has seen enough. What must not be opened, by the same policy, or cannot is left out.
   *
   * @param ending with its dot, in lower case; names may have it in capitals
   * @param look must not keep the source. What it throws ends the search.
   */
  lookAround?(ending: string, look: (name: string, source: ByteSource) => Promise<boolean>): Promise<void>;
  /** Where the image lies. Absent: where its storage's name says. */
  readonly location?: {
    /** The name by which it can be opened again; for messages. */
    readonly name: string;
    /** The file in whose directory the image is. Throws `invalid` where there is none, or more than one. */
    place(): string;
  };
  /** Only what the image says of itself is wanted: files that hold nothing but content stay closed. */
  readonly describesOnly?: boolean;
  /** Runtime options of the format (`-f`'s or `--image-opts`' `lazy-refcounts`, `offset`, `size`, …). */
  readonly runtimeOptions?: OptionValues;
  /** Absent: encrypted images can neither be read nor made. */
  readonly encryption?: EncryptionContext;
  /** UUIDs and times of a new image; absent: fresh ones. */
  readonly identity?: Identity;
  /** Told of what is odd but goes on. */
  readonly onWarning?: (message: string) => void;
  /** Told of repairs that opening for writing needs, and of failures besides the one that is thrown. */
  readonly events?: CheckEvents;
}

export interface CreateRequest {
  /** Guest disk in bytes. */
  size: number;
  /** Values by the names of the driver's `createOptions`, defaults not filled in. */
  options: OptionValues;
  /** `backing_file` and `backing_fmt`, resolved by the caller; `size` bytes of its guest disk if it could be opened. */
  backing?: {
    name: string;
    format: string;
    size: number | null;
    /** Opens it, without its own backing file; it stays the caller's. Absent: nobody can. */
    open?(): Promise<Image>;
  };
  /** Units are to be compressed: the writer's `encoding` is not null. */
  compress: boolean;
  /** Flush at `finish`. */
  flush: boolean;
  /** Nothing is going to be placed: a guest fills the image. */
  empty?: boolean;
}

export interface EditRequest {
  compress: boolean;
  flush: boolean;
  /** The image is about to get a backing file, which zeros that are written have to hide already. */
  hidesBacking?: boolean;
  /**
   * The image's backing chain, asked for when less than a cluster is written; it stays the caller's. null or absent: none
   * was opened.
   */
  backing?(): Promise<Image | null>;
  /**
   * Of a raw disk: told what its first bytes are going to be whenever they are written; throws if they must not be.
   * Absent: they may be anything.
   */
  checkStart?(bytes: Uint8Array): void;
}

/** What a prober may look at. `head` and `tail` hold up to 64 KiB of the storage's beginning and end. */
export interface ProbeInput {
  head: Uint8Array;
  tail: Uint8Array;
  size: number;
  fileName: string;
}

/**
 * A probe's score for a format found by the end of a storage alone, where its beginning may as well be a raw disk's: the
 * user is told.
 */
export const FOUND_BY_END = 50;

export interface ImageDriver {
  /** The name that `-f` and `-O` take. */
  readonly name: string;
  readonly createOptions: OptionTable;
  /** What `DriverContext.runtimeOptions` may hold; a 'string' names a file that is opened by `openReference`. */
  readonly runtimeOptions?: OptionTable;
  /** The format can compress units (`-c`). */
  readonly compresses: boolean;
  /** The format can have a backing file. */
  readonly backing: boolean;
  /** How a backing format that does not exist is refused; absent: as a value that the parameter does not take. */
  unknownBackingFormat?(name: string): string;
  /** A directory with a file of this name in it is an image: that file. Absent: images are no directories. */
  readonly bundleFile?: string;
  /** 0: no; 100: surely; as `qemu-img` scores. */
  probe(input: ProbeInput): number;
  open?(source: ByteSource, context: DriverContext): Promise<Image>;
  /** Makes an empty image in `target` (empty itself) and returns the writer that fills it. */
  create?(target: ByteStore, request: CreateRequest, context: DriverContext): Promise<ImageWriter>;
  /** What a new image would take, without making one. Throws `invalid` for options. */
  measure?(request: MeasureRequest, context: DriverContext): MaybePromise<Measurement>;
  /** Opens an existing image for writing. */
  edit?(store: ByteStore, request: EditRequest, context: DriverContext): Promise<EditableImage>;
  /** What `AmendRequest.options` may hold; present if `amend` is. */
  readonly amendOptions?: OptionTable;
  /** Opens an existing image to change its options. */
  amend?(store: ByteStore, request: EditRequest, context: DriverContext): Promise<AmendableImage>;
  /** Opens an existing image to change its dirty bitmaps. */
  editBitmaps?(store: ByteStore, request: EditRequest, context: DriverContext): Promise<BitmapEditor>;
  /**
   * Opens an image to look for damage, also one that `open` refuses for what a check can tell.
   *
   * @param store the same storage, to be written to by repairs; null: there will be none
   */
  check?(source: ByteSource, store: ByteStore | null, context: DriverContext): Promise<CheckableImage>;
}
