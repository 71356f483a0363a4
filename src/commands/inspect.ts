/** `inspect`: all that can be told of an image at once, also of one whose backing files are not all there. */
import { ImageError } from '../errors.js';
import { type PartitionTable, readPartitions } from '../image/partitions/partitions.js';
import { type Survey, surveyDisk } from '../image/survey.js';
import { describeChain, type NodeInfo } from './info.js';
import { ImageOpener } from './open.js';
import type { Platform } from './platform.js';
import type { ImageName, Trust } from './settings.js';

export interface InspectRequest extends ImageName, Trust {}

export interface InspectReport {
  /** The image first, then its backing files, as far as they could be opened. */
  layers: NodeInfo[];
  /** Why the chain ends too early, or why the disk cannot be read; null: it can. */
  trouble: ImageError | null;
  /** null: none that is known, or the disk cannot be read. */
  partitions: PartitionTable | null;
}

const SETTINGS = { cache: 'writeback', share: false, chain: true, content: true } as const;

/** Throws what opening the image itself throws; what is wrong further down is in the report. */
export async function inspectImage(platform: Platform, request: InspectRequest): Promise<InspectReport> {
  const { layers, trouble } = await ImageOpener.use(platform, request, (opener) =>
    describeChain(opener, { ...request, share: false, backingChain: true }),
  );
  if (trouble !== null) return { layers, trouble, partitions: null };
  try {
    const partitions = await ImageOpener.use(platform, request, async (opener) =>
      readPartitions(await opener.disk(await opener.open(request, SETTINGS))),
    );
    return { layers, trouble: null, partitions };
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    return { layers, trouble: error, partitions: null };
  }
}

export interface SurveyRequest extends InspectRequest {
  cells: number;
}

/** Told of the same survey again and again, more of it known each time; false: no more, please. */
export async function surveyImage(
  platform: Platform,
  request: SurveyRequest,
  onStep: (survey: Survey) => boolean,
): Promise<void> {
  await ImageOpener.use(platform, request, async (opener) => {
    const disk = await opener.disk(await opener.open(request, SETTINGS));
    for await (const survey of surveyDisk(disk, request.cells)) if (!onStep(survey)) return;
  });
}
