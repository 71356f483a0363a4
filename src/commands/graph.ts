/**
 * The graph of an opened image: formats over formats over storage, with a chain of backing files beside it.
 */
import { ImageError } from '../errors.js';
import type { ImageDriver } from '../image/driver.js';
import type { Image, Json } from '../image/image.js';
import { compactJson } from './json.js';
import type { OpenStorage } from './platform.js';

/** A node below another one. */
export interface Child {
  /** What the options of the upper one call it. */
  role: string;
  node: GraphNode;
}

/** Storage, opened through a protocol, or made of other nodes by a filter. */
export interface StorageNode {
  kind: 'storage';
  storage: OpenStorage;
  /** What a filter works on, in the order in which `info` lists it. */
  children: readonly Child[];
  /** The child whose disk this is too. */
  filtered?: GraphNode;
}

/** A file that an image names, not a backing file. */
export interface Reference {
  /** What `info` calls it: `data-file`, `extents.0`. */
  role: string;
  storage: OpenStorage;
}

/** An image in a format. */
export interface ImageNode {
  kind: 'image';
  driver: ImageDriver;
  /** This layer alone, without its backing file. */
  image: Image;
  /** What the format was found in. */
  file: GraphNode;
  /** The files besides that its data is in, in the order in which they were opened. */
  references: readonly Reference[];
  backing: GraphNode | null;
  /** Options that make the image what it is, besides driver and file: only a `json:` name can tell them. */
  strongOptions: { [key: string]: Json };
  /** The format was probed, not given. */
  probed: boolean;
}

export type GraphNode = StorageNode | ImageNode;

/** The image that an image is but another view of, as raw over qcow2 is: its clusters and snapshots are those of both. */
export function viewedImage(node: ImageNode): ImageNode {
  let viewed = node;
  while (viewed.driver.name === 'raw' && viewed.file.kind === 'image') viewed = viewed.file;
  return viewed;
}

/** The name by which a node can be opened again: a file name, if that says it all. */
export function nodeName(node: GraphNode): string {
  if (node.kind === 'storage') return node.storage.fileName ?? jsonName(node);
  const { file, strongOptions } = node;
  const plain = file.kind === 'storage' && file.storage.fileName !== null && Object.keys(strongOptions).length === 0;
  return plain ? nodeName(file) : jsonName(node);
}

/** The file name that says all of a node; null: there is none. */
export function exactName(node: GraphNode): string | null {
  const name = nodeName(node);
  return name.startsWith('json:') ? null : name;
}

function jsonName(node: GraphNode): string {
  return `json:${compactJson(nodeOptions(node))}`;
}

/** All that `json:` names say of a node. */
function nodeOptions(node: GraphNode): { [key: string]: Json } {
  if (node.kind === 'image') return { driver: node.driver.name, ...node.strongOptions, file: nodeOptions(node.file) };
  const { driver, options } = node.storage;
  return { driver, ...options, ...childOptions(node.children) };
}

/** Children that are numbered (`children.0`) become an array. */
function childOptions(children: readonly Child[]): { [key: string]: Json } {
  const options: { [key: string]: Json } = {};
  for (const { role, node } of children) {
    const [, list, index] = /^(.*)\.(\d+)$/.exec(role) ?? [];
    if (list === undefined) options[role] = nodeOptions(node);
    else {
      options[list] ??= [];
      (options[list] as Json[])[Number(index)] = nodeOptions(node);
    }
  }
  return options;
}

/** The nodes below a node, by role; of the files that an image names the last opened one first, as QEMU lists them. */
export function childrenOf(node: GraphNode): readonly Child[] {
  if (node.kind === 'storage') return node.children;
  const { backing, references, file } = node;
  const children: Child[] = backing === null ? [] : [{ role: 'backing', node: backing }];
  for (const { role, storage } of references.toReversed())
    children.push({ role, node: { kind: 'storage', storage, children: [] } });
  return [...children, { role: 'file', node: file }];
}

/** The file in whose directory a node lies. Throws `invalid` where there is none, or more than one. */
export function placeOf(node: GraphNode): string {
  if (node.kind === 'image') return placeOf(node.file);
  if (node.filtered !== undefined) return placeOf(node.filtered);
  const { fileName, driver } = node.storage;
  if (fileName === null || node.children.length > 0)
    throw new ImageError('invalid', `Cannot generate a base directory for ${driver} nodes`);
  return fileName;
}

/** The lowest storage of a node. */
export function storageOf(node: GraphNode): OpenStorage {
  return node.kind === 'storage' ? node.storage : storageOf(node.file);
}

/**
 * Where the host offsets of the node's extents point, if they name no file: the external data file if there is one.
 * Otherwise the file of that name; undefined: nobody knows it. Of an image inside another one it is the lowest storage, by
 * whose name it is known; the offsets then count in the disk of the other.
 */
export function contentOf(node: GraphNode, file?: string): OpenStorage | undefined {
  if (node.kind === 'storage') return file === undefined ? node.storage : undefined;
  const { references } = node;
  if (file !== undefined) return references.find(({ storage }) => storage.fileName === file)?.storage;
  return references.find(({ role }) => role === 'data-file')?.storage ?? storageOf(node.file);
}

/** All storages that hold a node's own data. */
export function contentsOf(node: GraphNode): OpenStorage[] {
  return node.kind === 'storage'
    ? [node.storage]
    : [storageOf(node.file), ...node.references.map((each) => each.storage)];
}

/** The node's format, or its protocol if there is none above it. */
export function formatName(node: GraphNode): string {
  return node.kind === 'storage' ? node.storage.driver : node.driver.name;
}

/** The chain from the node down to its last backing file. */
export function chainOf(node: GraphNode): GraphNode[] {
  const chain: GraphNode[] = [node];
  for (let at = node; at.kind === 'image' && at.backing !== null; at = at.backing) chain.push(at.backing);
  return chain;
}
