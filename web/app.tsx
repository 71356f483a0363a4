/** The page. */
import type { FormatInfo } from '../src/platform/web/index.js';
import { ImageDetails } from './image/details.js';
import { formatWords } from './image/facts.js';
import { imageNews } from './image/image-news.js';
import { DropZone } from './intake/drop-zone.js';
import { chosen } from './intake/intake.js';
import { JobCard } from './jobs/job-card.js';
import { JobList } from './jobs/job-list.js';
import { jobNews } from './jobs/jobs.js';
import { targets } from './output/output.js';
import { OutputForm } from './output/output-form.js';
import { knownFormats } from './shell/engine.js';
import { EngineTrouble } from './shell/engine-trouble.js';
import { News } from './shell/news.js';
import { UpdatePrompt } from './shell/update.js';

export function App() {
  const isEmpty = chosen.value === null;
  return (
    <>
      <header class="top">
        <Brand isHeading={!isEmpty} />
        <p class="promise">Nothing is uploaded</p>
      </header>
      <main class={isEmpty ? 'empty' : ''}>
        {isEmpty && (
          <div class="hero">
            <h1>Convert disk images, right here</h1>
            <p>
              A virtual disk of one program becomes one of another. The work is done by your own machine: the file never
              leaves it, and once you have been here, no network is needed.
            </p>
          </div>
        )}
        <EngineTrouble />
        <DropZone />
        <News text={imageNews()} />
        <News text={jobNews.value} />
        <div class="columns">
          <ImageDetails />
          <OutputForm />
          <JobCard />
          <JobList />
        </div>
        {isEmpty && <Formats />}
      </main>
      <UpdatePrompt />
    </>
  );
}

/** The page's heading, once there is no greeting any more. */
function Brand({ isHeading }: { isHeading: boolean }) {
  const Tag = isHeading ? 'h1' : 'p';
  return (
    <Tag class="brand">
      <Mark />
      diskloom
    </Tag>
  );
}

function Formats() {
  return (
    <dl class="formats">
      <div>
        <dt>Reads</dt>
        <dd>{words(knownFormats.value.filter(({ reads }) => reads))}; in .ova, .tar, .gz, .xz, .zst and .bz2 too</dd>
      </div>
      <div>
        <dt>Writes</dt>
        <dd>{words(targets.value)}</dd>
      </div>
      <div>
        <dt>For</dt>
        <dd>VirtualBox, VMware, Hyper-V, QEMU and Proxmox, Azure, AWS, Google Cloud, USB sticks</dd>
      </div>
    </dl>
  );
}

function words(formats: readonly FormatInfo[]): string {
  return formats.map(({ name }) => formatWords(name)).join(', ') || '…';
}

/** Warp and weft. */
function Mark() {
  return (
    <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
      <rect width="32" height="32" rx="7" class="mark-ground" />
      <path class="mark-warp" d="M10 6v20M16 6v20M22 6v20" />
      <path class="mark-weft" d="M6 11h2.4m3.2 0h8.8m3.2 0H26M6 16h8.4m3.2 0H26M6 21h2.4m3.2 0h8.8m3.2 0H26" />
    </svg>
  );
}
