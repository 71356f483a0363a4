/** The language of manual pages, man(7): as much of it as the page needs. */

/** Longest line of text; readers of roff complain about more than 80. */
const WIDTH = 78;

/** Text without markup. */
export function plain(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replaceAll('`', '\\(ga');
}

export function bold(text: string): string {
  return `\\fB${plain(text)}\\fR`;
}

/** What the user is to replace. */
export function italic(text: string): string {
  return `\\fI${breakable(plain(text))}\\fR`;
}

/** Lets long words end a line behind a bar or a comma. */
function breakable(word: string): string {
  return word.length < WIDTH / 2 ? word : word.replace(/[|,](?=.)/g, '$&\\:');
}

/** Prose: `*word*` is bold, `_word_` italic. */
export function prose(text: string): string {
  const parts = text.split(/(\*[^*\s](?:[^*]*[^*\s])?\*|(?<![\w])_[A-Za-z0-9]+(?:_[A-Za-z0-9]+)*_(?![\w]))/);
  const marked = parts.map((part, at) => {
    if (at % 2 === 0) return plain(part);
    const inner = part.slice(1, -1);
    return part.startsWith('*') ? bold(inner) : italic(inner);
  });
  return fill(marked.join(''));
}

/** Lines no longer than they should be; none begins like a request. */
function fill(text: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text
    .split(/\s+/)
    .filter((each) => each !== '')
    .map(breakable)) {
    if (line !== '' && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.map((each) => (/^[.']/.test(each) ? `\\&${each}` : each)).join('\n');
}

export function section(title: string, ...content: string[]): string {
  return [`.SH ${title}`, unbroken(content)].join('\n');
}

export function subsection(title: string, ...content: string[]): string {
  return [`.SS ${plain(title)}`, unbroken(content)].join('\n');
}

/** A heading is followed by text: a paragraph needs no break there. */
function unbroken(content: readonly string[]): string {
  return content.join('\n').replace(/^\.PP\n/, '');
}

export function paragraphs(...texts: string[]): string {
  return texts.map(paragraph).join('\n');
}

export function paragraph(text: string): string {
  return `.PP\n${prose(text)}`;
}

/** A list of marked-up terms, each with what it means; `width` in characters for short ones. */
export function terms(entries: readonly (readonly [term: string, meaning: string])[], width?: number): string {
  const indent = width === undefined ? '' : ` ${width}n`;
  return entries.map(([term, meaning]) => `.TP${indent}\n${term}\n${meaning}`).join('\n');
}

/** Lines as they are. */
export function example(...lines: string[]): string {
  const body = lines.map((line) => plain(line).replace(/^[.']/, '\\&$&'));
  return ['.PP', '.RS 4', '.nf', ...body, '.fi', '.RE'].join('\n');
}
