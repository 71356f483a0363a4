// The native side of kernels.mjs: compresses or decompresses a file unit by unit with zlib or libdeflate and prints the
// processor seconds of one pass and the bytes of all streams.
//   judge FILE UNIT (zlib|libdeflate) (deflate|inflate) LEVEL WINDOW_BITS
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static z_stream stream;
static struct libdeflate_compressor *compressor;
static struct libdeflate_decompressor *decompressor;

static size_t zlib_deflate(unsigned char *in, size_t length, unsigned char *out, size_t capacity) {
  deflateReset(&stream);
  stream.next_in = in;
  stream.avail_in = length;
  stream.next_out = out;
  stream.avail_out = capacity;
  return deflate(&stream, Z_FINISH) == Z_STREAM_END ? capacity - stream.avail_out : 0;
}

static void zlib_inflate(unsigned char *in, size_t length, unsigned char *out, size_t unit, int bits) {
  z_stream s = {0};
  inflateInit2(&s, -bits);
  s.next_in = in;
  s.avail_in = length;
  s.next_out = out;
  s.avail_out = unit;
  if (inflate(&s, Z_FINISH) != Z_STREAM_END) exit(1);
  inflateEnd(&s);
}

int main(int argc, char **argv) {
  if (argc != 7) return 2;
  size_t unit = atol(argv[2]), length;
  int is_zlib = !strcmp(argv[3], "zlib"), packing = !strcmp(argv[4], "deflate");
  int level = atoi(argv[5]), bits = atoi(argv[6]);
  FILE *file = fopen(argv[1], "rb");
  fseek(file, 0, SEEK_END);
  length = ftell(file);
  rewind(file);
  size_t units = length / unit, capacity = unit * 2;
  unsigned char *data = malloc(length), *packed = malloc(units * capacity), *plain = malloc(unit);
  size_t *sizes = calloc(units, sizeof *sizes), total = 0;
  if (fread(data, 1, length, file) != length) return 1;
  // A decompressor gets what zlib's level 6 writes.
  deflateInit2(&stream, packing && is_zlib ? level : 6, Z_DEFLATED, -bits, 8, 0);
  compressor = libdeflate_alloc_compressor(level);
  decompressor = libdeflate_alloc_decompressor();
  memset(packed, 0, units * capacity);
  double start = seconds();
  for (size_t i = 0; i < units; i++) {
    unsigned char *in = data + i * unit, *out = packed + i * capacity;
    sizes[i] = packing && !is_zlib ? libdeflate_deflate_compress(compressor, in, unit, out, capacity)
                                   : zlib_deflate(in, unit, out, capacity);
    total += sizes[i] < unit ? sizes[i] : unit;
  }
  if (!packing) {
    start = seconds();
    for (size_t i = 0; i < units; i++) {
      unsigned char *in = packed + i * capacity;
      if (is_zlib) zlib_inflate(in, sizes[i], plain, unit, bits);
      else if (libdeflate_deflate_decompress(decompressor, in, sizes[i], plain, unit, NULL)) return 1;
    }
  }
  printf("%.6f %zu\n", seconds() - start, total);
  return 0;
}
