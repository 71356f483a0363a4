/**
 * `--object TYPE,id=ID,…`: things that other options name by their ids.
 *
 * The only type that a converter has a use for is `secret`: a passphrase or key, given as `data=` or in a `file=`, in
 * base64 with `format=base64`, and encrypted by another secret (AES-256-CBC) with `keyid=` and `iv=`.
 */
import { createDecipheriv } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseKeyValues } from '../commands/blockdev.js';
import { ImageError } from '../errors.js';
import type { Secrets } from '../image/encryption.js';

/** The object types of QEMU that a converter could be given. */
const OBJECT_TYPES = ['secret', 'tls-creds-x509', 'tls-creds-psk', 'tls-creds-anon', 'throttle-group', 'iothread'];

const SECRET_PROPERTIES = ['data', 'file', 'format', 'keyid', 'iv', 'loaded'];

const IDENTIFIER = /^[A-Za-z][A-Za-z0-9\-._]*$/;

/** Adds the object that `definition` describes. Throws `invalid` for a malformed one, `unsupported` for other types. */
export function withObject(secrets: Secrets, definition: string): Secrets {
  const properties = new Map(parseKeyValues(definition, 'qom-type').map(({ key, value }) => [key, value]));
  const take = (name: string) => {
    const value = properties.get(name);
    properties.delete(name);
    return value;
  };
  const type = take('qom-type');
  if (type === undefined) throw invalid("Parameter 'qom-type' is missing");
  if (!OBJECT_TYPES.includes(type)) throw invalid(`Parameter 'qom-type' does not accept value '${type}'`);
  const id = take('id');
  if (id === undefined) throw invalid("Parameter 'id' is missing");
  if (!IDENTIFIER.test(id))
    throw invalid(
      "Parameter 'id' expects an identifier\nIdentifiers consist of letters, digits, '-', '.', '_', starting with a letter.",
    );
  if (type !== 'secret') throw new ImageError('unsupported', `Objects of type '${type}' are not supported`);
  for (const name of properties.keys())
    if (!SECRET_PROPERTIES.includes(name)) throw invalid(`Parameter '${name}' is unexpected`);
  const secret = readSecret(properties, secrets);
  if (secrets.has(id)) throw invalid(`attempt to add duplicate property '${id}' to object (type 'container')`);
  return new Map([...secrets, [id, secret]]);
}

function readSecret(properties: ReadonlyMap<string, string>, secrets: Secrets): Uint8Array {
  const format = properties.get('format') ?? 'raw';
  if (format !== 'raw' && format !== 'base64') throw invalid(`Parameter 'format' does not accept value '${format}'`);
  const stored = storedBytes(properties);
  const keyId = properties.get('keyid');
  if (keyId !== undefined) {
    const packed = format === 'base64' ? fromBase64(stored) : stored;
    return decrypt(packed, keyId, properties.get('iv'), secrets);
  }
  if (properties.has('iv')) throw invalid('IV should not be set if keyid is not set');
  return format === 'base64' ? fromBase64(stored) : stored;
}

function storedBytes(properties: ReadonlyMap<string, string>): Uint8Array {
  const data = properties.get('data');
  const file = properties.get('file');
  if (data !== undefined && file !== undefined) throw invalid("'file' and 'data' are mutually exclusive");
  if (data !== undefined) return Buffer.from(data);
  if (file === undefined) throw invalid("Either 'file' or 'data' must be provided");
  try {
    return readFileSync(file);
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    const reason = missing ? 'No such file or directory' : String(cause instanceof Error ? cause.message : cause);
    const message = `Unable to read ${file}: Failed to open file “${file}”: ${reason}`;
    throw new ImageError(missing ? 'not-found' : 'io', message, { cause });
  }
}

function fromBase64(bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes).toString('latin1');
  if (!/^[A-Za-z0-9+/=\s]*$/.test(text)) throw invalid('Base64 data contains invalid characters');
  return Buffer.from(text, 'base64');
}

function decrypt(packed: Uint8Array, keyId: string, vector: string | undefined, secrets: Secrets): Uint8Array {
  const key = secrets.get(keyId);
  if (key === undefined) throw new ImageError('not-found', `No secret with id '${keyId}'`);
  if (key.length !== 32) throw invalid(`Key should be 32 bytes in length, but was ${key.length}`);
  if (vector === undefined) throw invalid('IV is required to decrypt secret');
  const iv = fromBase64(Buffer.from(vector));
  if (iv.length !== 16) throw invalid(`IV should be 16 bytes in length not ${iv.length}`);
  try {
    const cipher = createDecipheriv('aes-256-cbc', key, iv);
    return Buffer.concat([cipher.update(packed), cipher.final()]);
  } catch (cause) {
    throw new ImageError('invalid', 'Incorrect number of padding bytes found on decrypted data', { cause });
  }
}

function invalid(message: string): ImageError {
  return new ImageError('invalid', message);
}
