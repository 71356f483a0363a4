/**
 * The names of NBD exports.
 *
 * - URIs, as in "The NBD Uniform Resource Indicator (URI) format" (doc/uri.md beside the protocol's specification), with
 *   QEMU's restrictions: `nbd://host[:port][/export]`, `nbd+unix:///[export]?socket=path`;
 * - QEMU's older file names: `nbd:host:port[:exportname=name]`, `nbd:unix:path[:exportname=name]`;
 * - QEMU's options, as in `--image-opts driver=nbd,…` and `json:` names.
 */
import { ImageError } from '../../errors.js';
import type { Endpoint } from './connection.js';

export interface NbdAddress {
  readonly endpoint: Endpoint;
  /** '' is the default export. */
  readonly exportName: string;
}

/** What `driver=nbd` options say. */
export interface NbdTarget extends NbdAddress {
  /** `open-timeout`, in seconds. */
  readonly openTimeout?: number;
  /** `reconnect-delay`, in seconds. */
  readonly reconnectDelay?: number;
  /** `x-dirty-bitmap`: the metadata context to take for the status of blocks. */
  readonly contextName?: string;
}

/** The port that IANA assigned to NBD. */
export const NBD_PORT = 10809;

const MAX_PORT = 65535;

function invalid(message: string): ImageError {
  return new ImageError('invalid', message);
}

/** Whether a file name is one of an NBD export. */
export function isNbdName(name: string): boolean {
  return /^(nbd|nbds)(\+[a-z]+)?:/.test(name);
}

/** Reads a URI or one of QEMU's older names. Throws `invalid`, or `unsupported` for encryption. */
export function parseNbdAddress(name: string): NbdAddress {
  return name.includes('://') ? parseUri(name) : parseLegacyName(name);
}

/** The name that QEMU shows for an export. */
export function nbdFileName({ endpoint, exportName }: NbdAddress): string {
  if (endpoint.type === 'unix')
    return `nbd+unix://${exportName === '' ? '' : `/${exportName}`}?socket=${endpoint.path}`;
  return `nbd://${endpoint.host}:${endpoint.port}${exportName === '' ? '' : `/${exportName}`}`;
}

// --- URIs --------------------------------------------------------------------------------------------------------

function parseUri(uri: string): NbdAddress {
  const parts = /^([a-z+]+):\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?$/.exec(uri);
  if (parts === null) throw invalid('No valid URL specified');
  const [, scheme, authority, path, query] = parts;
  if (scheme === 'nbds' || scheme === 'nbds+unix')
    throw new ImageError('unsupported', `NBD over TLS ('${scheme}') is not supported`);
  const exportName = unescaped(path!.replace(/^\//, ''));
  if (scheme === 'nbd+unix') return { endpoint: unixEndpoint(authority!, query), exportName };
  if (scheme === 'nbd' || scheme === 'nbd+tcp') return { endpoint: inetEndpoint(authority!, query), exportName };
  throw invalid(`Unknown protocol '${scheme}'`);
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid('No valid URL specified');
  }
}

/** `socket=path` must be the only parameter, and there must be no host. */
function unixEndpoint(authority: string, query = ''): Endpoint {
  const path = /^socket=([^&=]*)$/.exec(query)?.[1];
  if (authority !== '' || path === undefined) throw invalid('No valid URL specified');
  return { type: 'unix', path: unescaped(path) };
}

/** `[user@]host[:port]`, where the host may be an IPv6 address in brackets; no parameters. */
function inetEndpoint(authority: string, query = ''): Endpoint {
  const parts = /^(?:[^@]*@)?(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d*))?$/.exec(authority);
  const port = Number(parts?.[3] || NBD_PORT);
  if (parts === null || port > MAX_PORT || query !== '') throw invalid('No valid URL specified');
  return { type: 'inet', host: parts[1] ?? unescaped(parts[2]!), port: port || NBD_PORT };
}

// --- QEMU's older names ------------------------------------------------------------------------------------------

const EXPORT_NAME = ':exportname=';

function parseLegacyName(name: string): NbdAddress {
  const at = name.indexOf(EXPORT_NAME);
  const exportName = at < 0 ? '' : name.slice(at + EXPORT_NAME.length);
  const server = at < 0 ? name : name.slice(0, at);
  if (!server.startsWith('nbd:')) throw invalid("File name string for NBD must start with 'nbd:'");
  const host = server.slice('nbd:'.length);
  if (host === '' || (at >= 0 && exportName === '')) throw invalid('NBD server address missing');
  if (host.startsWith('unix:')) return { endpoint: { type: 'unix', path: host.slice('unix:'.length) }, exportName };
  return { endpoint: parseHostPort(host), exportName };
}

/** `host:port`, `[IPv6]:port` or `:port`; what follows a comma is QEMU's and of no use here. */
function parseHostPort(text: string): Endpoint {
  const bare = /^:([^,]+)/.exec(text);
  if (text.startsWith(':') && bare === null) throw invalid(`error parsing port in address '${text}'`);
  const bracketed = /^\[([^\]]+)\]:([^,]+)/.exec(text);
  if (text.startsWith('[') && bracketed === null) throw invalid(`error parsing IPv6 address '${text}'`);
  const parts = bracketed ?? /^([^:]*):([^,]+)/.exec(text);
  if (parts === null) throw invalid(`error parsing address '${text}'`);
  return inet(parts[1]!, parts[2]!);
}

function inet(host: string, port: string): Endpoint {
  if (!/^\d+$/.test(port) || Number(port) > MAX_PORT)
    throw invalid(`address resolution failed for ${host}:${port}: Servname not supported for ai_socktype`);
  return { type: 'inet', host, port: Number(port) };
}

// --- QEMU's options ----------------------------------------------------------------------------------------------

const OPTIONS = ['host', 'port', 'path', 'export', 'open-timeout', 'reconnect-delay', 'x-dirty-bitmap'];

/**
 * Reads options with flat names (`server.type`), each a string; `driver` must have been taken out.
 * Throws `invalid`, worded as QEMU does, or `unsupported` for what diskloom does not have.
 */
export function parseNbdOptions(options: ReadonlyMap<string, string>): NbdTarget {
  for (const key of options.keys()) checkOption(key);
  const openTimeout = seconds(options, 'open-timeout');
  const reconnectDelay = seconds(options, 'reconnect-delay');
  const contextName = options.get('x-dirty-bitmap');
  return {
    endpoint: serverEndpoint(options) ?? legacyEndpoint(options),
    exportName: options.get('export') ?? '',
    ...(openTimeout === undefined ? {} : { openTimeout }),
    ...(reconnectDelay === undefined ? {} : { reconnectDelay }),
    ...(contextName === undefined ? {} : { contextName }),
  };
}

function checkOption(key: string): void {
  if (OPTIONS.includes(key) || key.startsWith('server.')) return;
  if (key.startsWith('tls-')) throw new ImageError('unsupported', `NBD over TLS ('${key}') is not supported`);
  throw invalid(`Block protocol 'nbd' doesn't support the option '${key}'`);
}

function seconds(options: ReadonlyMap<string, string>, key: string): number | undefined {
  const value = options.get(key);
  if (value !== undefined && !/^\d+$/.test(value)) throw invalid(`Parameter '${key}' expects a number`);
  return value === undefined ? undefined : Number(value);
}

/** `server.type=unix,server.path=…` or `server.type=inet,server.host=…,server.port=…`; undefined without any of them. */
function serverEndpoint(options: ReadonlyMap<string, string>): Endpoint | undefined {
  const server = new Map([...options].filter(([key]) => key.startsWith('server.')));
  if (server.size === 0) return undefined;
  if (options.has('path') || options.has('host') || options.has('port'))
    throw invalid("Cannot use 'server' and path/host/port at the same time");
  const take = (name: string) => {
    const value = server.get(`server.${name}`);
    if (value === undefined) throw invalid(`Parameter '${name}' is missing`);
    server.delete(`server.${name}`);
    return value;
  };
  const type = take('type');
  if (type !== 'unix' && type !== 'inet') throw invalid(`Parameter 'type' does not accept value '${type}'`);
  const endpoint: Endpoint = type === 'unix' ? { type, path: take('path') } : inet(take('host'), take('port'));
  for (const key of server.keys()) throw invalid(`Parameter '${key.slice('server.'.length)}' is unexpected`);
  return endpoint;
}

/** `path=…` or `host=…[,port=…]`. */
function legacyEndpoint(options: ReadonlyMap<string, string>): Endpoint {
  const [path, host, port] = [options.get('path'), options.get('host'), options.get('port')];
  if (path !== undefined && host !== undefined) throw invalid('path and host may not be used at the same time');
  if (path !== undefined && port !== undefined) throw invalid('port may not be used without host');
  if (path !== undefined) return { type: 'unix', path };
  if (host === undefined) throw invalid('NBD server address missing');
  return inet(host, port ?? String(NBD_PORT));
}
