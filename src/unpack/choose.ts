/** Which file of an archive is the disk. */
import { corrupt, ImageError } from '../errors.js';
import type { ByteSource } from '../storage/storage.js';
import { MemberSource } from './member.js';
import { disksOfOvf } from './ovf.js';
import type { TarMember } from './tar/archive.js';

const LARGEST_OVF = 4 * 1024 * 1024;
/** What disk images are called. */
const DISK_NAME =
  /\.(raw|img|dd|qcow2?|qed|vmdk|vdi|vhdx?|avhdx?|vpc|hdd|hds|dmg|iso|luks|bochs|cloop)(\.(gz|xz|zst|bz2))?$/i;
/** Names that a message lists. */
const MOST_NAMES = 8;

/**
 * The file that the user named; or else the one that an OVF descriptor calls the disk; or else the only one that is called
 * like a disk image, or the only one at all. Throws `not-found`, `invalid` where there are several, `corrupt`.
 */
export async function chooseMember(
  archive: ByteSource,
  members: readonly TarMember[],
  wanted: string | undefined,
): Promise<TarMember> {
  if (wanted !== undefined) return found(members, wanted, `The archive has no file '${wanted}'`);
  const descriptor = members.find(({ name }) => /\.ovf$/i.test(name));
  const disks =
    descriptor === undefined
      ? candidates(members)
      : (await describedDisks(archive, descriptor)).map((name) =>
          found(members, name, `The OVF descriptor names '${name}', which is not in the archive`),
        );
  const [only] = disks;
  if (only === undefined) throw new ImageError('not-found', 'The archive holds no disk image');
  if (disks.length > 1) {
    const names = disks.slice(0, MOST_NAMES).map(({ name }) => `'${name}'`);
    const more = disks.length > MOST_NAMES ? ', ...' : '';
    throw new ImageError(
      'invalid',
      `The archive holds several disk images, choose by --member: ${names.join(', ')}${more}`,
    );
  }
  return only;
}

function candidates(members: readonly TarMember[]): readonly TarMember[] {
  const named = members.filter(({ name }) => DISK_NAME.test(name));
  return named.length > 0 ? named : members;
}

async function describedDisks(archive: ByteSource, descriptor: TarMember): Promise<string[]> {
  if (descriptor.size > LARGEST_OVF) throw corrupt('The OVF descriptor is too large');
  const bytes = new Uint8Array(descriptor.size);
  await new MemberSource(descriptor.name, archive, descriptor).read(0, bytes);
  return disksOfOvf(new TextDecoder().decode(bytes));
}

/** The last of that name counts, as it does in unpacking. */
function found(members: readonly TarMember[], wanted: string, otherwise: string): TarMember {
  const plain = wanted.replace(/^(\.\/)+/, '');
  const member = members.findLast(({ name }) => name === plain);
  if (member === undefined) throw new ImageError('not-found', otherwise);
  return member;
}
