// The native side of zstd.mjs: compresses a file unit by unit with libzstd, with one context for all, and decompresses
// the frames; prints the processor seconds of both and the bytes of all frames (a unit that does not shrink counts whole).
//   zstd-judge FILE UNIT LEVEL
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zstd.h>

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

int main(int count, char **arguments) {
  if (count != 4) return 2;
  size_t unit = strtoul(arguments[2], NULL, 10);
  int level = atoi(arguments[3]);
  FILE *file = fopen(arguments[1], "rb");
  if (!file || fseek(file, 0, SEEK_END)) return 1;
  size_t units = ftell(file) / unit;
  rewind(file);
  char *content = malloc(units * unit);
  if (fread(content, unit, units, file) != units) return 1;
  size_t bound = ZSTD_compressBound(unit);
  char *frames = malloc(units * bound);
  size_t *sizes = malloc(units * sizeof *sizes);
  char *back = malloc(unit);
  ZSTD_CCtx *compressor = ZSTD_createCCtx();
  ZSTD_DCtx *decompressor = ZSTD_createDCtx();
  size_t total = 0;
  double compressing = 0;
  // The first pass only touches the memory.
  for (int pass = 0; pass < 2; pass++) {
    double start = seconds();
    total = 0;
    for (size_t i = 0; i < units; i++) {
      sizes[i] = ZSTD_compressCCtx(compressor, frames + i * bound, bound, content + i * unit, unit, level);
      if (ZSTD_isError(sizes[i])) return 1;
      total += sizes[i] < unit ? sizes[i] : unit;
    }
    compressing = seconds() - start;
  }
  double start = seconds();
  for (size_t i = 0; i < units; i++)
    if (ZSTD_decompressDCtx(decompressor, back, unit, frames + i * bound, sizes[i]) != unit) return 1;
  printf("%f %f %zu\n", compressing, seconds() - start, total);
  return 0;
}
