/** Completion for fish: a `complete` line an option. */
import type { OptionTable } from '../../image/options.js';
import type { DescribedOption } from '../options.js';
import { spellings } from '../options.js';
import { verbs } from '../verbs/index.js';
import type { Verb } from '../verbs/verb.js';
import {
  keyedOperands,
  LIST_TABLES,
  type ListTable,
  listedOptions,
  operandValues,
  PLAIN_OPTIONS,
  rowValues,
  type Values,
  valuesNamed,
} from './values.js';

function quoted(text: string): string {
  return `'${text.replace(/['\\]/g, '\\$&')}'`;
}

/** Arguments of `complete` for a value. */
function value(values: Values, verb: Verb): string {
  switch (values.kind) {
    case 'words':
      return ` -x -a ${quoted(values.words.join(' '))}`;
    case 'file':
      return ' -r -F';
    case 'options':
      return ` -x -a '(__diskloom_list ${verb.name})'`;
    case 'free':
      return ' -x';
  }
}

/** The names of an option as `complete` takes them, and its help. */
function named({ short, long, help }: DescribedOption): string {
  const names = [...[...short].map((letter) => ` -s ${letter}`), ...long.map((name) => ` -l ${name}`)];
  return `${names.join('')} -d ${quoted(help)}`;
}

function verbLines(verb: Verb): string[] {
  const after = `complete -c diskloom -n '__fish_seen_subcommand_from ${verb.name}'`;
  const lines = verb.options.map((option) => {
    const { argument } = option;
    return `${after}${named(option)}${argument === null ? '' : value(valuesNamed(argument), verb)}`;
  });
  const keyed = keyedOperands(verb);
  if (keyed.length > 0) lines.push(`${after} -f -a '${keyed.map(({ name }) => `${name}=`).join(' ')}'`);
  for (const { name, values } of keyed)
    if (values.kind === 'file') lines.push(`${after} -f -a '(__diskloom_operand_file ${name})'`);
  const operands = operandValues(verb);
  if (operands.kind === 'words') lines.push(`${after} -f -a '${operands.words.join(' ')}'`);
  return lines;
}

/** One candidate a line: the key, and each of its words. */
function candidates(table: OptionTable): string {
  return table
    .flatMap((each) => {
      const values = rowValues(each);
      const words = values.kind === 'words' ? values.words : [''];
      return words.map((word) => quoted(`${each.name}=${word}\t${each.help.trim()}`));
    })
    .join(' \\\n                ');
}

function tableCase({ what, format, table }: ListTable): string {
  const rows = candidates(table).replaceAll('\n                ', '\n                $done');
  return `        case ${what}/${format}\n            printf '%s\\n' $done${rows}`;
}

function chooserCases(verb: Verb): string[] {
  const listed = listedOptions(verb);
  if (listed === null) return [];
  const names = spellings(listed.chooser).join('|');
  return [
    `        case ${verb.name}\n            set what ${listed.what}\n            set format ${listed.fallback}\n            set choosers '${names}'`,
  ];
}

/** The script. */
export function fishCompletion(): string {
  return `# fish completion for diskloom: made from its option tables. To use it: diskloom completion fish | source

# A list of key=value; the format decides which.
function __diskloom_list
    set -l what
    set -l format
    set -l choosers
    switch $argv[1]
${verbs.flatMap(chooserCases).join('\n')}
    end
    set -l line (commandline -opc)
    for at in (seq (count $line))
        if string match -qr -- "^($choosers)\\$" $line[$at]
            test $at -lt (count $line); and set format $line[(math $at + 1)]
        else if string match -qr -- "^($choosers)=" $line[$at]
            set format (string replace -r -- '^[^=]*=' '' $line[$at])
        else if string match -qr -- '^-[^-].' $line[$at]; and string match -qr -- "^($choosers)" $line[$at]
            set format (string sub -s 3 -- $line[$at])
        end
    end
    set -l list (commandline -ct | string replace -r -- '^--[^=]*=' '')
    # What is listed already stands before every answer; without it there is an empty text to stand there.
    set -l done (string match -r -- '^.*,' "$list"; or echo '')
    switch $what/$format
${LIST_TABLES.map(tableCase).join('\n')}
    end
    if string match -qr -- '(^|,)[a-z]+_file=[^,]*$' "$list"
        set -l before (string match -r -- '^.*=' "$list")
        for file in (__fish_complete_path (string replace -- "$before" '' "$list"))
            echo $before$file
        end
    end
end

# Files behind NAME=, an operand.
function __diskloom_operand_file
    set -l token (commandline -ct)
    if string match -q -- "$argv[1]=*" $token
        for file in (__fish_complete_path (string replace -- "$argv[1]=" '' $token))
            echo $argv[1]=$file
        end
    end
end

${PLAIN_OPTIONS.map((option) => `complete -c diskloom -n __fish_use_subcommand${named(option)}`).join('\n')}
${verbs
  .map(({ name, summary }) => `complete -c diskloom -n __fish_use_subcommand -f -a ${name} -d ${quoted(summary)}`)
  .join('\n')}
${verbs.flatMap(verbLines).join('\n')}
`;
}
