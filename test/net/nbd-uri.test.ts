import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { ImageError } from '../../src/errors.js';
import {
  isNbdName,
  type NbdAddress,
  nbdFileName,
  parseNbdAddress,
  parseNbdOptions,
} from '../../src/platform/net/nbd-uri.js';
import { describeWith } from '../support/judges.js';

const unix = (path: string, exportName = ''): NbdAddress => ({ endpoint: { type: 'unix', path }, exportName });
const inet = (host: string, port: number, exportName = ''): NbdAddress => ({
  endpoint: { type: 'inet', host, port },
  exportName,
});

const NAMES: [name: string, address: NbdAddress][] = [
  ['nbd://example.com:10810/disk', inet('example.com', 10810, 'disk')],
  ['nbd://example.com', inet('example.com', 10809)],
  ['nbd://example.com/', inet('example.com', 10809)],
  ['nbd://example.com:/', inet('example.com', 10809)],
  ['nbd://example.com//disk', inet('example.com', 10809, '/disk')],
  ['nbd://example.com/a/../b', inet('example.com', 10809, 'a/../b')],
  ['nbd://example.com/hello%20world', inet('example.com', 10809, 'hello world')],
  ['nbd://example.com/na%C3%AFve#part', inet('example.com', 10809, 'naïve')],
  ['nbd://user@example.com:1/x', inet('example.com', 1, 'x')],
  ['nbd+tcp://example.com:1/x', inet('example.com', 1, 'x')],
  ['nbd://[::1]:5/x', inet('::1', 5, 'x')],
  ['nbd://[fe80::1]', inet('fe80::1', 10809)],
  ['nbd+unix:///?socket=/run/nbd.sock', unix('/run/nbd.sock')],
  ['nbd+unix://?socket=/run/nbd.sock', unix('/run/nbd.sock')],
  ['nbd+unix:///disk?socket=nbd%26x.sock', unix('nbd&x.sock', 'disk')],
  ['nbd:localhost:10809', inet('localhost', 10809)],
  ['nbd:localhost:1:exportname=a:b', inet('localhost', 1, 'a:b')],
  ['nbd:[::1]:7', inet('::1', 7)],
  ['nbd::7', inet('', 7)],
  ['nbd:unix:/run/nbd.sock', unix('/run/nbd.sock')],
  ['nbd:unix:/run/nbd.sock:exportname=disk', unix('/run/nbd.sock', 'disk')],
];

/** Each is refused without a connection; the texts are those of qemu-img. */
const BAD_NAMES: [name: string, message: string][] = [
  ['nbd://', 'No valid URL specified'],
  ['nbd:///disk', 'No valid URL specified'],
  ['nbd://host:99999/a', 'No valid URL specified'],
  ['nbd://host/a?b=1', 'No valid URL specified'],
  ['nbd+unix:///a?socket=/x&b=1', 'No valid URL specified'],
  ['nbd+unix:///a%2?socket=/x', 'No valid URL specified'],
  ['nbd+unix://host/a?socket=/x', 'No valid URL specified'],
  ['nbd+foo://host/a', "Unknown protocol 'nbd+foo'"],
  ['nbd:', 'NBD server address missing'],
  ['nbd:localhost:1:exportname=', 'NBD server address missing'],
  ['nbd:localhost', "error parsing address 'localhost'"],
  ['nbd:[::1', "error parsing IPv6 address '[::1'"],
  ['nbd::', "error parsing port in address ':'"],
  ['nbd:localhost:abc', 'address resolution failed for localhost:abc: Servname not supported for ai_socktype'],
];

const BAD_OPTIONS: [options: string, message: string][] = [
  ['host=a,path=b', 'path and host may not be used at the same time'],
  ['port=1', 'NBD server address missing'],
  ['export=x', 'NBD server address missing'],
  ['path=/x,port=1', 'port may not be used without host'],
  ['path=/x,server.type=unix', "Cannot use 'server' and path/host/port at the same time"],
  ['server.type=foo', "Parameter 'type' does not accept value 'foo'"],
  ['server.type=unix', "Parameter 'path' is missing"],
  ['server.type=inet', "Parameter 'host' is missing"],
  ['server.type=inet,server.host=x', "Parameter 'port' is missing"],
  ['server.foo=x', "Parameter 'type' is missing"],
  ['server.type=unix,server.path=/x,server.bar=1', "Parameter 'bar' is unexpected"],
  ['server.type=unix,server.path=/x,server.host=y', "Parameter 'host' is unexpected"],
  ['path=/x,open-timeout=soon', "Parameter 'open-timeout' expects a number"],
];

function optionMap(text: string): Map<string, string> {
  return new Map(text.split(',').map((pair) => pair.split('=') as [string, string]));
}

function refusal(parse: () => unknown): ImageError {
  try {
    parse();
  } catch (error) {
    if (error instanceof ImageError) return error;
  }
  throw new Error('it was not refused');
}

describe('names of NBD exports', () => {
  it.each(NAMES)('reads %s', (name, address) => {
    expect(parseNbdAddress(name)).toEqual(address);
    expect(isNbdName(name)).toBe(true);
  });

  it.each(BAD_NAMES)('refuses %s', (name, message) => {
    const error = refusal(() => parseNbdAddress(name));
    expect([error.code, error.message]).toEqual(['invalid', message]);
  });

  it.each(['nbds://localhost', 'nbds+unix:///?socket=/x'])('refuses encryption: %s', (name) => {
    const error = refusal(() => parseNbdAddress(name));
    expect(error.code).toBe('unsupported');
    expect(error.message).toMatch(/^NBD over TLS \('nbds(\+unix)?'\) is not supported$/);
  });

  it.each(['disk.img', '/nbd:x', 'https://x/nbd', 'nbd'])('takes %s for no name of an export', (name) => {
    expect(isNbdName(name)).toBe(false);
  });

  it.each([
    [unix('/x'), 'nbd+unix://?socket=/x'],
    [unix('/x', 'disk'), 'nbd+unix:///disk?socket=/x'],
    [inet('h', 1), 'nbd://h:1'],
    [inet('h', 1, 'disk'), 'nbd://h:1/disk'],
  ])('shows %j as %s', (address, name) => {
    expect(nbdFileName(address)).toBe(name);
  });
});

describe('NBD options', () => {
  it.each([
    ['path=/x,export=disk', unix('/x', 'disk')],
    ['host=h', inet('h', 10809)],
    ['host=h,port=1', inet('h', 1)],
    ['server.type=unix,server.path=/x', unix('/x')],
    ['server.type=inet,server.host=::1,server.port=7', inet('::1', 7)],
    ['path=/x,open-timeout=5,reconnect-delay=6', { ...unix('/x'), openTimeout: 5, reconnectDelay: 6 }],
    ['path=/x,x-dirty-bitmap=qemu:allocation-depth', { ...unix('/x'), contextName: 'qemu:allocation-depth' }],
  ])('reads %s', (options, target) => {
    expect(parseNbdOptions(optionMap(options))).toEqual(target);
  });

  it.each(BAD_OPTIONS)('refuses %s', (options, message) => {
    const error = refusal(() => parseNbdOptions(optionMap(options)));
    expect([error.code, error.message]).toEqual(['invalid', message]);
  });

  it('refuses what is no option, and encryption', () => {
    expect(refusal(() => parseNbdOptions(optionMap('path=/x,bar=1'))).message).toBe(
      "Block protocol 'nbd' doesn't support the option 'bar'",
    );
    expect(refusal(() => parseNbdOptions(optionMap('path=/x,tls-creds=t'))).code).toBe('unsupported');
  });
});

describeWith(['qemu-img'], 'the same refusals as qemu-img', () => {
  it.each(BAD_NAMES)('%s', (name, message) => {
    const { stderr } = spawnSync('qemu-img', ['info', name], { encoding: 'utf8' });
    expect(stderr).toContain(`qemu-img: Could not open '${name}': ${message}\n`);
  });

  it.each(BAD_OPTIONS)('%s', (options, message) => {
    const { stderr } = spawnSync('qemu-img', ['info', '--image-opts', `driver=nbd,${options}`], { encoding: 'utf8' });
    expect(stderr).toBe(`qemu-img: Could not open 'driver=nbd,${options}': ${message}\n`);
  });
});
