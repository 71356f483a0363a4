/** NBD servers for tests: real ones in processes of their own, and one whose every byte the test chooses. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Servers of one test, and a directory for their sockets and files; `stop` ends and removes all. */
export class Servers {
  readonly directory = mkdtempSync(join(tmpdir(), 'diskloom-nbd-'));
  readonly #processes: ChildProcess[] = [];
  readonly #fakes: FakeServer[] = [];
  #count = 0;

  /** A path in the directory. */
  path(name: string): string {
    return join(this.directory, name);
  }

  #socket(): string {
    return this.path(`${++this.#count}.sock`);
  }

  /** Starts nbdkit on a new socket and returns the URI of its default export. */
  async nbdkit(...args: string[]): Promise<string> {
    return (await this.nbdkitProcess(this.#socket(), args)).uri;
  }

  /** The same, with a way to kill the server, at a socket that may be used again. */
  async nbdkitProcess(socket: string, args: string[]): Promise<{ uri: string; kill(): Promise<void> }> {
    const pidFile = `${socket}.pid`;
    const child = this.#start('nbdkit', ['-f', '-U', socket, '-P', pidFile, ...args]);
    await appeared(pidFile, child);
    const kill = async () => {
      await ended(child);
      rmSync(socket, { force: true });
      rmSync(pidFile, { force: true });
    };
    return { uri: `nbd+unix:///?socket=${socket}`, kill };
  }

  /** Starts qemu-nbd on a new socket and returns the URI of the export with this name. */
  async qemuNbd(exportName: string, ...args: string[]): Promise<string> {
    const socket = this.#socket();
    const child = this.#start('qemu-nbd', [
      '-t',
      '-k',
      socket,
      '-x',
      exportName,
      '--pid-file',
      `${socket}.pid`,
      ...args,
    ]);
    await appeared(`${socket}.pid`, child);
    return `nbd+unix:///${encodeURIComponent(exportName)}?socket=${socket}`;
  }

  /** Starts a server that greets each client with `script`. */
  async fake(script: Script): Promise<string> {
    const socket = this.#socket();
    this.#fakes.push(await FakeServer.listen(socket, script));
    return `nbd+unix:///?socket=${socket}`;
  }

  #start(program: string, args: string[]): ChildProcess {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#processes.push(child);
    return child;
  }

  async stop(): Promise<void> {
    for (const fake of this.#fakes) fake.close();
    await Promise.all(this.#processes.map(ended));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exit;
}

async function appeared(path: string, child: ChildProcess): Promise<void> {
  let complaint = '';
  child.stderr?.on('data', (text) => {
    complaint += text;
  });
  while (!existsSync(path)) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} did not start: ${complaint}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** What a fake server does with one client. */
export type Script = (client: Client) => Promise<void>;

/** The client's bytes, in order, and a way to answer. */
export class Client {
  #bytes = Buffer.alloc(0);
  #wake: () => void = () => undefined;
  #ended = false;

  constructor(readonly socket: Socket) {
    socket.on('data', (chunk) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake();
    });
    const end = () => {
      this.#ended = true;
      this.#wake();
    };
    socket.on('close', end).on('end', end).on('error', end);
  }

  send(...bytes: Uint8Array[]): void {
    this.socket.write(Buffer.concat(bytes));
  }

  /** The next `count` bytes; throws when the client is gone. */
  async take(count: number): Promise<Buffer> {
    while (this.#bytes.length < count) {
      if (this.#ended) throw new Error('the client is gone');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const taken = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return taken;
  }
}

class FakeServer {
  readonly #sockets = new Set<Socket>();

  private constructor(readonly server: Server) {}

  static listen(path: string, script: Script): Promise<FakeServer> {
    return new Promise((resolve) => {
      const server = createServer((socket) => {
        fake.#sockets.add(socket);
        // A script ends when its client goes away; what it expected then is not of interest.
        script(new Client(socket)).catch(() => undefined);
      });
      const fake = new FakeServer(server);
      server.listen(path, () => resolve(fake));
    });
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.server.close();
  }
}
