/**
 * The memory map: who owns which bytes of an instance's linear memory.
 *
 * The host creates the memory and hands it in; every instance has one of its own, so kernels keep their tables and
 * state at fixed addresses and never allocate. All addresses and sizes are bytes, all areas begin on a page (64 KiB).
 *
 *   0x000_0000 ┌──────────────┐
 *              │ RESERVED     │  64 KiB  address 0 is nobody's; the compiler's static data, if there is any
 *   0x001_0000 ├──────────────┤
 *              │ TABLES       │  64 KiB  constants computed on first use: crc slices, deflate's slot maps
 *   0x002_0000 ├──────────────┤
 *              │ INFLATE      │  64 KiB  decoding tables of the current block, fixed tables
 *   0x003_0000 ├──────────────┤
 *              │ DEFLATE      │   4 MiB  match finder, symbols of the current block, codes, nodes of the parser
 *   0x043_0000 ├──────────────┤
 *              │ ZSTD         │   4 MiB  encoder's and decoder's state; they never run at the same time
 *   0x083_0000 ├──────────────┤
 *              │ SCRATCH_IN   │   2 MiB  + 64 KiB slack: source bytes copied in from foreign memory
 *   0x0a4_0000 ├──────────────┤
 *              │ SCRATCH_OUT  │   2 MiB  + 64 KiB slack: results on their way to foreign memory
 *   0x0c5_0000 ├──────────────┤
 *              │ ARENA        │  up to the end: run buffers that the host hands out
 *              └──────────────┘
 *
 * A unit of work is at most 2 MiB (the largest qcow2 cluster), which is what the scratch areas are made for. Slack lets
 * kernels load whole vectors across the end of a buffer: up to `OVERREAD` bytes behind a source may be loaded (their
 * value never matters), none may be written. The host therefore keeps `OVERREAD` bytes free at the end of the arena.
 */

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/** Room for computed constants; see `CRC32_SLICES` and its neighbours for who lives where. */
export const TABLES: usize = 64 * KIB;
export const TABLES_SIZE: usize = 64 * KIB;

export const INFLATE_WORKSPACE: usize = TABLES + TABLES_SIZE;
export const INFLATE_WORKSPACE_SIZE: usize = 64 * KIB;

export const DEFLATE_WORKSPACE: usize = INFLATE_WORKSPACE + INFLATE_WORKSPACE_SIZE;
export const DEFLATE_WORKSPACE_SIZE: usize = 4 * MIB;

export const ZSTD_WORKSPACE: usize = DEFLATE_WORKSPACE + DEFLATE_WORKSPACE_SIZE;
export const ZSTD_WORKSPACE_SIZE: usize = 4 * MIB;

export const SCRATCH_SIZE: usize = 2 * MIB + 64 * KIB;
export const SCRATCH_IN: usize = ZSTD_WORKSPACE + ZSTD_WORKSPACE_SIZE;
export const SCRATCH_OUT: usize = SCRATCH_IN + SCRATCH_SIZE;

export const ARENA: usize = SCRATCH_OUT + SCRATCH_SIZE;

/** Bytes behind a source that a kernel may load, never use. */
export const OVERREAD: usize = 64;

// Who lives where in TABLES.

/** Sixteen slices of 256 u32 each, for each of the two polynomials. */
export const CRC_SLICES_SIZE: usize = 16 * KIB;
export const CRC32_SLICES: usize = TABLES;
export const CRC32C_SLICES: usize = CRC32_SLICES + CRC_SLICES_SIZE;
/** What deflate and inflate compute once: 8 KiB and 4 KiB are reserved for them. */
export const DEFLATE_TABLES: usize = CRC32C_SLICES + CRC_SLICES_SIZE;
export const INFLATE_TABLES: usize = DEFLATE_TABLES + 8 * KIB;
