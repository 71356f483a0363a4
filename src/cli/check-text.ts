/** The output of `check`, as `qemu-img` prints it. */
import type { CheckResult } from '../commands/check.js';
import { prettyJson } from '../commands/json.js';
import type { CheckReport, ClusterUsage } from '../image/check.js';
import type { Json } from '../image/image.js';

/** What is printed between a repair and the check of its result. */
export function repairText({ leaksFixed, corruptionsFixed }: CheckReport): string {
  return (
    'The following inconsistencies were found and repaired:\n\n' +
    `    ${leaksFixed} leaked clusters\n    ${corruptionsFixed} corruptions\n\n` +
    'Double checking the fixed image now...\n'
  );
}

export function checkText({ report }: CheckResult): string {
  return findingsText(report) + clustersText(report.clusters) + endText(report);
}

function findingsText({ corruptions, leaks, checkErrors }: CheckReport): string {
  let text = '';
  if (corruptions > 0) {
    text += `\n${corruptions} errors were found on the image.\n`;
    text += 'Data may be corrupted, or further writes to the image may corrupt it.\n';
  }
  if (leaks > 0) {
    text += `\n${leaks} leaked clusters were found on the image.\n`;
    text += 'This means waste of disk space, but no harm to data.\n';
  }
  if (checkErrors > 0) text += `\n${checkErrors} internal errors have occurred during the check.\n`;
  return text === '' ? 'No errors were found on the image.\n' : text;
}

function clustersText({ total, allocated, fragmented, compressed }: ClusterUsage): string {
  if (total === 0 || allocated === 0) return '';
  const shares = [
    `${percent(allocated, total)} allocated`,
    `${percent(fragmented, allocated)} fragmented`,
    `${percent(compressed, allocated)} compressed`,
  ];
  return `${allocated}/${total} = ${shares.join(', ')} clusters\n`;
}

/** As C's `%0.2f%%` prints it: a tie goes to the even digit. */
function percent(part: number, whole: number): string {
  const value = (part * 100) / whole;
  const isTie = Number.isInteger(value * 8) && (value * 200) % 2 === 1;
  const hundredths = Math.floor(value * 100);
  return `${isTie && hundredths % 2 === 0 ? (hundredths / 100).toFixed(2) : value.toFixed(2)}%`;
}

function endText({ imageEndOffset }: CheckReport): string {
  return imageEndOffset > 0 ? `Image end offset: ${imageEndOffset}\n` : '';
}

/** What is zero is left out, but for the errors of the check itself. */
export function checkJson({ format, report }: CheckResult, fileName: string): string {
  const { clusters } = report;
  const counts: [string, number][] = [
    ['image-end-offset', report.imageEndOffset],
    ['corruptions', report.corruptions],
    ['leaks', report.leaks],
    ['corruptions-fixed', report.corruptionsFixed],
    ['leaks-fixed', report.leaksFixed],
    ['total-clusters', clusters.total],
    ['allocated-clusters', clusters.allocated],
    ['fragmented-clusters', clusters.fragmented],
    ['compressed-clusters', clusters.compressed],
  ];
  const json: { [key: string]: Json } = { filename: fileName, format, 'check-errors': report.checkErrors };
  for (const [name, count] of counts) if (count !== 0) json[name] = count;
  return `${prettyJson(json)}\n`;
}
