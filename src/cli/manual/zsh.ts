/** Completion for zsh: specifications for its own `_arguments` and `_values`. */
import { type DescribedOption, spellings } from '../options.js';
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

/** Options that may be given again and again. */
const REPEATED = ['OPTS', 'OBJDEF'];

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** For the inside of brackets, and of what colons end. */
function escaped(text: string): string {
  return text.replace(/[[\]:\\]/g, '\\$&');
}

/** What zsh does for a value. */
function action(values: Values): string {
  if (values.kind === 'words') return `(${values.words.join(' ')})`;
  return { file: '_files', options: '_diskloom_list', free: ' ' }[values.kind];
}

/** `'(-O --target-format)'{-O+,--target-format=}'[…]:FMT:(raw qcow2)'`. */
function argumentOf(option: DescribedOption): string {
  const { argument, help } = option;
  const names = spellings(option);
  const forms = names.map((name) => (argument === null ? name : `${name}${name.startsWith('--') ? '=' : '+'}`));
  const isRepeated = argument !== null && REPEATED.includes(argument);
  const exclusion = isRepeated ? "'*'" : `'(${names.join(' ')})'`;
  const value = argument === null ? '' : `:${escaped(argument)}:${action(valuesNamed(argument))}`;
  const list = forms.length === 1 ? forms[0]! : `{${forms.join(',')}}`;
  return `${exclusion}${list}${quoted(`[${escaped(help)}]${value}`)}`;
}

function row(key: string, help: string, values: Values): string {
  const value = values.kind === 'free' ? ':value: ' : `:value:${action(values)}`;
  return quoted(`${escaped(key)}[${escaped(help.trim())}]${value}`);
}

function verbCase(verb: Verb): string {
  const keyed = keyedOperands(verb).map(({ name, values }) => row(name, name, values));
  const operands = keyed.length === 0 ? `'*:operand:${action(operandValues(verb))}'` : "'*:operand:_diskloom_operands'";
  const lines = [...verb.options.map(argumentOf), operands].map((spec) => ` \\\n        ${spec}`);
  return `      ${verb.name}) _arguments -s -S${lines.join('')} ;;`;
}

/** For lists of key=value. */
function tableCase({ what, format, table }: ListTable): string {
  const rows = table.map((each) => ` \\\n      ${row(each.name, each.help, rowValues(each))}`).join('');
  return `    ${what}/${format}) _values -s , option${rows} ;;`;
}

function chooserCases(verb: Verb): string[] {
  const listed = listedOptions(verb);
  if (listed === null) return [];
  return [
    `    ${verb.name}) what=${listed.what} format=${listed.fallback} choosers=(${spellings(listed.chooser).join(' ')}) ;;`,
  ];
}

function keyedCases(verb: Verb): string[] {
  const keyed = keyedOperands(verb);
  if (keyed.length === 0) return [];
  return keyed.map(
    ({ name, values }) => `    ${name}=*) compset -P '*='; ${values.kind === 'file' ? '_files' : ':'} ;;`,
  );
}

/** The script. */
export function zshCompletion(): string {
  const keys = verbs.flatMap(keyedOperands).map(({ name }) => `${name}=`);
  return `#compdef diskloom
# zsh completion for diskloom: made from its option tables. To use it: source <(diskloom completion zsh)

# A list of key=value; the format decides which.
_diskloom_list() {
  local what format at each
  local -a choosers
  case $words[1] in
${verbs.flatMap(chooserCases).join('\n')}
  esac
  for ((at = 2; at < CURRENT; at++)); do
    for each in $choosers; do
      if [[ $words[at] == $each ]]; then format=$words[at+1]
      elif [[ $each == --* && $words[at] == $each=* ]]; then format=\${words[at]#*=}
      elif [[ $each != --* && $words[at] == $each* ]]; then format=\${words[at]#$each}
      fi
    done
  done
  case $what/$format in
${LIST_TABLES.map(tableCase).join('\n')}
  esac
}

# Operands that are name=value.
_diskloom_operands() {
  case $PREFIX in
${verbs.flatMap(keyedCases).join('\n')}
    *) compadd -S '' -- ${keys.join(' ')} ;;
  esac
}

_diskloom() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  local -a verbs=(
${verbs.map(({ name, summary }) => `    ${quoted(`${name}:${escaped(summary)}`)}`).join('\n')}
  )
  _arguments -C${PLAIN_OPTIONS.map((option) => ` \\\n    ${argumentOf(option)}`).join('')} \\
    '1:command:->verb' '*::argument:->rest'
  case $state in
    verb) _describe command verbs ;;
    rest) case $words[1] in
${verbs.map(verbCase).join('\n')}
    esac ;;
  esac
}

if [[ $funcstack[1] == _diskloom ]]; then
  _diskloom "$@"
else
  compdef _diskloom diskloom
fi
`;
}
