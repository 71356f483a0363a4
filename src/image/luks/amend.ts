/**
 * Changing the key slots of a LUKS container: another passphrase may open it, or one no longer.
 *
 * A new slot's key material is stored before the header says that the slot is in use; the header of an erased slot says
 * that it is not before its key material is overwritten. Rules and texts are those of `qemu-img amend`.
 */
import { ImageError } from '../../errors.js';
import type { ByteStore } from '../../storage/storage.js';
import { type EncryptionContext, passphraseOf } from '../encryption.js';
import type { OptionTable, OptionValues } from '../options.js';
import { newSlot } from './create.js';
import type { LuksHeader } from './header.js';
import { HEADER_SIZE, materialLength, SLOT, SLOT_COUNT, SLOT_STATE, slotOffset } from './layout.js';
import { sealSlot, unlockLuks, unlockSlot } from './unlock.js';

/** Milliseconds that trying a passphrase of a new slot takes, unless told otherwise. */
const DEFAULT_ITERATION_TIME = 2000;

/** Random bytes that are asked for at once. */
const NOISE_PIECE = 32 * 1024;

/** `prefix`: of the names; `encrypt.` inside qcow2. */
export function luksAmendRows(prefix: string): OptionTable {
  return [
    {
      name: `${prefix}state`,
      type: 'string',
      help: 'Select new state of affected keyslots (active/inactive)',
      values: ['active', 'inactive'],
    },
    { name: `${prefix}keyslot`, type: 'number', help: 'Select a single keyslot to modify explicitly' },
    { name: `${prefix}old-secret`, type: 'string', help: 'Select all keyslots that match this password' },
    {
      name: `${prefix}new-secret`,
      type: 'string',
      help: 'New secret to set in the matching keyslots. Empty string to erase',
    },
    { name: `${prefix}iter-time`, type: 'number', help: 'Time to spend in PBKDF in milliseconds' },
  ];
}

/** The container whose slots are to change. */
export interface AmendedLuks {
  store: ByteStore;
  header: LuksHeader;
  /** Where the header lies in `store`. */
  offset: number;
  /** The option that named the passphrase when the container was opened, and its value. */
  opening: { name: string; id: unknown };
  /** Each step is to be on disk before the next one begins. */
  flush: boolean;
}

/** Adds or erases key slots, as `options` say; `prefix` of their names. Throws `invalid`, `denied`, `not-found`. */
export async function amendLuks(
  encryption: EncryptionContext,
  container: AmendedLuks,
  options: OptionValues,
  prefix: string,
  force: boolean,
): Promise<void> {
  const change = readChange(options, prefix);
  const slots = new KeySlots(encryption, container);
  if (change.state === 'active') await activate(slots, change, force);
  else await erase(slots, change, force);
}

interface SlotChange {
  state: 'active' | 'inactive';
  keySlot: number | null;
  oldSecret: unknown;
  newSecret: unknown;
  iterationTime: number | null;
}

function readChange(options: OptionValues, prefix: string): SlotChange {
  const of = (name: string) => options[prefix + name];
  const state = of('state');
  if (state === undefined) throw invalid("Parameter 'state' is missing");
  if (state !== 'active' && state !== 'inactive') throw invalid(`Parameter 'state' does not accept value '${state}'`);
  const number = (name: string) => (of(name) === undefined ? null : Number(of(name)));
  return {
    state,
    keySlot: number('keyslot'),
    oldSecret: of('old-secret'),
    newSecret: of('new-secret'),
    iterationTime: number('iter-time'),
  };
}

async function activate(slots: KeySlots, change: SlotChange, force: boolean): Promise<void> {
  const { newSecret, oldSecret, keySlot } = change;
  if (newSecret === undefined) throw invalid("'new-secret' is required to activate a keyslot");
  if (oldSecret !== undefined) throw invalid("'old-secret' must not be given when activating keyslots");
  // An unsigned number in the message, whatever was given.
  if (keySlot !== null && !isSlot(keySlot)) throw noSuchSlot(keySlot >>> 0);
  const index = keySlot ?? slots.firstFree();
  if (index < 0) throw invalid("Can't add a keyslot - all keyslots are in use");
  if (!force && slots.isActive(index))
    throw invalid(`Refusing to overwrite active keyslot ${index} - please erase it first`);
  const key = await slots.currentKey();
  await slots.store(index, slots.passphrase('new-secret', newSecret), key, change.iterationTime);
}

async function erase(slots: KeySlots, change: SlotChange, force: boolean): Promise<void> {
  const { newSecret, iterationTime, keySlot, oldSecret } = change;
  if (newSecret !== undefined) throw invalid("'new-secret' must not be given when erasing keyslots");
  if (iterationTime !== null) throw invalid("'iter-time' must not be given when erasing keyslots");
  const old = oldSecret === undefined ? null : slots.passphrase('old-secret', oldSecret);
  if (keySlot !== null) await eraseSlot(slots, keySlot, old, force);
  else if (old !== null) await eraseMatching(slots, old, force);
  else
    throw invalid(
      'To erase keyslot(s), either explicit keyslot index or the password currently contained in them must be given',
    );
}

async function eraseSlot(slots: KeySlots, index: number, old: Uint8Array | null, force: boolean): Promise<void> {
  if (!isSlot(index)) throw noSuchSlot(index);
  if (old !== null && !(await slots.opens(index, old)))
    throw invalid(`Given keyslot ${index} doesn't contain the given old password for erase operation`);
  if (!force && !slots.isActive(index)) throw invalid(`Given keyslot ${index} is already erased (inactive) `);
  if (!force && slots.activeCount === 1)
    throw invalid(
      `Attempt to erase the only active keyslot ${index} which will erase all the data in the image ` +
        'irreversibly - refusing operation',
    );
  await slots.erase(index);
}

async function eraseMatching(slots: KeySlots, old: Uint8Array, force: boolean): Promise<void> {
  const matching: number[] = [];
  for (let index = 0; index < SLOT_COUNT; index++) if (await slots.opens(index, old)) matching.push(index);
  if (matching.length === 0) throw invalid('No keyslots match given (old) password for erase operation');
  if (!force && matching.length === slots.activeCount)
    throw invalid(
      'All the active keyslots match the (old) password that was given and erasing them will erase all the data ' +
        'in the image irreversibly - refusing operation',
    );
  for (const index of matching) await slots.erase(index);
}

/** The slots of a container in its storage. */
class KeySlots {
  constructor(
    private readonly encryption: EncryptionContext,
    private readonly container: AmendedLuks,
  ) {}

  get activeCount(): number {
    return this.container.header.slots.filter(({ active }) => active).length;
  }

  /** -1: none is free. */
  firstFree(): number {
    return this.container.header.slots.findIndex(({ active }) => !active);
  }

  isActive(index: number): boolean {
    return this.container.header.slots[index]!.active;
  }

  passphrase(option: string, id: unknown): Uint8Array {
    return passphraseOf(this.encryption, option, id);
  }

  /** The container's key, by the passphrase that it was opened with. */
  currentKey(): Promise<Uint8Array> {
    const { store, header, offset, opening } = this.container;
    return unlockLuks(this.encryption.crypto, store, header, this.passphrase(opening.name, opening.id), offset);
  }

  async opens(index: number, passphrase: Uint8Array): Promise<boolean> {
    const { store, header, offset } = this.container;
    const slot = header.slots[index]!;
    return (await unlockSlot(this.encryption.crypto, store, header, slot, passphrase, offset)) !== null;
  }

  async store(index: number, passphrase: Uint8Array, key: Uint8Array, iterationTime: number | null): Promise<void> {
    const { store, header, offset } = this.container;
    const { crypto } = this.encryption;
    const slot = await newSlot(crypto, header.hash, header.keyBytes, iterationTime ?? DEFAULT_ITERATION_TIME);
    const material = await sealSlot(crypto, header, slot, passphrase, key);
    await store.write(offset + header.slots[index]!.materialOffset, material);
    await this.#flush();
    await this.#writeSlot(index, { state: SLOT_STATE.active, ...slot });
  }

  async erase(index: number): Promise<void> {
    const { store, header, offset } = this.container;
    await this.#writeSlot(index, { state: SLOT_STATE.inactive, iterations: 0, salt: new Uint8Array(32) });
    const start = offset + header.slots[index]!.materialOffset;
    const length = materialLength(header.keyBytes);
    for (let at = 0; at < length; at += NOISE_PIECE)
      await store.write(start + at, this.encryption.crypto.random(Math.min(NOISE_PIECE, length - at)));
    await this.#flush();
  }

  async #writeSlot(index: number, values: { state: number; iterations: number; salt: Uint8Array }): Promise<void> {
    const { store, header, offset } = this.container;
    const bytes = new Uint8Array(HEADER_SIZE);
    await store.read(offset, bytes);
    SLOT.write(bytes, values, slotOffset(index));
    await store.write(offset, bytes);
    await this.#flush();
    const { iterations, salt } = values;
    Object.assign(header.slots[index]!, { active: values.state === SLOT_STATE.active, iterations, salt });
  }

  async #flush(): Promise<void> {
    if (this.container.flush) await this.container.store.flush();
  }
}

function isSlot(index: number): boolean {
  return index >= 0 && index < SLOT_COUNT;
}

function noSuchSlot(index: number): ImageError {
  return invalid(`Invalid keyslot ${index} specified, must be between 0 and ${SLOT_COUNT - 1}`);
}

function invalid(message: string): ImageError {
  return new ImageError('invalid', message);
}
