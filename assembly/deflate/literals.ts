/** How dear literals are, and from which length on a match is worth more. */
import { SHORTEST_MATCH } from './format';
import { LITERAL_FLAGS } from './workspace';

/** Bytes at the start of a block that are looked at. */
const SURVEY_BYTES: usize = 4096;

/** How many different bytes the first part of [start, end) holds: 1 to 256, 0 for none. */
export function surveyLiterals(start: usize, end: usize): u32 {
  memory.fill(LITERAL_FLAGS, 0, 256);
  const stop = min(end, start + SURVEY_BYTES);
  for (let at = start; at < stop; at++) store<u8>(LITERAL_FLAGS + <usize>load<u8>(at), 1);
  let different: u32 = 0;
  for (let value: usize = 0; value < 256; value++) different += load<u8>(LITERAL_FLAGS + value);
  return different;
}

/**
 * The shortest match that a parser which does not know costs should take. A match costs some 20 bits; a literal of few
 * different ones (digits, bases of a genome, bitmaps) costs so little that three or four of them are cheaper. A shallow
 * search would not find the long matches that it then has to wait for, so `depth` bounds the answer.
 */
export function shortestUseful(different: u32, depth: u32): u32 {
  if (different >= 80) return SHORTEST_MATCH;
  let shortest: u32 = 4;
  if (different < 45) shortest = 5;
  if (different < 16) shortest = 6;
  if (different < 10) shortest = 7;
  if (different < 6) shortest = 9;
  if (depth < 5) return min(shortest, 4);
  if (depth < 10) return min(shortest, 5);
  return depth < 16 ? min(shortest, 7) : shortest;
}
