/** XML as a tree of elements, read by the package `saxes`, which knows no entities but XML's own. */
import { corrupt } from '../../../errors.js';

export interface Element {
  name: string;
  /** Its own, without white space at either end. */
  text: string;
  children: Element[];
}

/** Elements within elements; a descriptor needs five. */
const DEEPEST = 32;

/** The root element. Throws `corrupt`, with `what` in front of the reason. */
export async function parseXml(text: string, what: string): Promise<Element> {
  const { SaxesParser } = await import('saxes');
  const outermost: Element = { name: '', text: '', children: [] };
  const open = [outermost];
  const parser = new SaxesParser();
  parser.on('opentag', ({ name }) => {
    const element = { name, text: '', children: [] };
    if (open.length > DEEPEST) throw corrupt(`${what} is nested too deeply`);
    open.at(-1)!.children.push(element);
    open.push(element);
  });
  const addText = (part: string) => {
    open.at(-1)!.text += part;
  };
  parser.on('text', addText);
  parser.on('cdata', addText);
  parser.on('closetag', () => {
    const element = open.pop()!;
    element.text = element.text.trim();
  });
  parser.on('error', ({ message }) => {
    throw corrupt(`${what} is damaged: ${message}`);
  });
  parser.write(text).close();
  return outermost.children[0]!;
}

/** The children of that name. */
export function childrenOf(element: Element | undefined, name: string): Element[] {
  return element?.children.filter((child) => child.name === name) ?? [];
}

/** The text of the first child of that name; null: there is none, or it is empty. */
export function textOf(element: Element | undefined, name: string): string | null {
  return childrenOf(element, name)[0]?.text || null;
}
