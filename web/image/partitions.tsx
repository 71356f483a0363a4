/** The partition table. */
import type { Partition, PartitionTable } from '../../src/platform/web/index.js';
import { sizeText } from '../shell/text.js';

/** Rows that are shown at once. */
const MOST_ROWS = 24;

export function Partitions({ table, diskSize }: { table: PartitionTable; diskSize: number }) {
  const { partitions } = table;
  const shown = partitions.slice(0, MOST_ROWS);
  return (
    <div class="block">
      <h3>{table.scheme === 'none' ? 'File system' : 'Partitions'}</h3>
      <table class="partitions">
        <thead>
          <tr>
            <th scope="col">#</th>
            <th scope="col">Content</th>
            <th scope="col">Type</th>
            <th scope="col" class="number">
              Size
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map((partition) => (
            <Row key={partition.number} partition={partition} diskSize={diskSize} />
          ))}
        </tbody>
      </table>
      {partitions.length > shown.length && <p class="quiet">and {partitions.length - shown.length} more</p>}
    </div>
  );
}

function Row({ partition, diskSize }: { partition: Partition; diskSize: number }) {
  const { number, fileSystem, type, name, length } = partition;
  const label = fileSystem?.label ?? name;
  return (
    <tr title={`${((100 * length) / diskSize).toFixed(1)} % of the disk`}>
      <td>{number}</td>
      <td>
        {fileSystem?.name ?? <span class="quiet">not known</span>}
        {label !== null && <span class="quiet"> {label}</span>}
      </td>
      <td class="quiet">{type}</td>
      <td class="number">{sizeText(length)}</td>
    </tr>
  );
}
