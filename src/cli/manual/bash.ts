/**
 * Completion for bash, 3.2 or later.
 *
 * The script holds the tables as `case` lists: pressing Tab starts no program. bash splits words at `=` and `:`, so the
 * script puts them together again before it looks, and takes off its answers what bash will not replace.
 */
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

/** Values in one word of the script. */
function code(values: Values): string {
  return values.kind === 'words' ? values.words.join('|') : `@${values.kind}`;
}

/** `'convert -O' | 'convert --target-format') REPLY=…`: what the values of options are. */
function valueCases({ name, options }: Verb): string[] {
  return options.flatMap((option) => {
    if (option.argument === null) return [];
    const names = spellings(option).map((spelling) => `'${name} ${spelling}'`);
    return [`        ${names.join(' | ')}) REPLY='${code(valuesNamed(option.argument))}' ;;`];
  });
}

function nameCases(verb: Verb): string {
  const keyed = keyedOperands(verb).map(({ name, values }) => `${name}=${code(values)}`);
  const operands = keyed.length === 0 ? code(operandValues(verb)) : keyed.join(' ');
  return `        ${verb.name}) names='${verb.options.flatMap(spellings).join(' ')}' operands='${operands}' ;;`;
}

/** `create qcow2) REPLY='cluster_size=@free …'`: what lists may hold. */
function tableCase({ what, format, table }: ListTable): string {
  const rows = table.map((row) => `${row.name}=${code(rowValues(row))}`);
  return `        '${what} ${format}') REPLY='${rows.join(' ')}' ;;`;
}

/** Which table belongs to a verb, and which options choose it. */
function chooserCases(verb: Verb): string[] {
  const listed = listedOptions(verb);
  if (listed === null) return [];
  return [
    `        ${verb.name}) what=${listed.what} format=${listed.fallback} choosers='${spellings(listed.chooser).join('|')}' ;;`,
  ];
}

/** The script. */
export function bashCompletion(): string {
  return `# bash completion for diskloom: made from its option tables. To use it: source <(diskloom completion bash)

# Names of a verb's options, and what its operands are.
_diskloom_verb() {
    case $1 in
${verbs.map(nameCases).join('\n')}
        *) names='' operands='' ;;
    esac
}

# What the value of an option is: words to choose from, or a kind; nothing where there is none.
_diskloom_value() {
    case "$1 $2" in
${verbs.flatMap(valueCases).join('\n')}
        *) REPLY='' ;;
    esac
}

# What may stand in a list of key=value.
_diskloom_table() {
    case "$1 $2" in
${LIST_TABLES.map(tableCase).join('\n')}
        *) REPLY='' ;;
    esac
}

# Sets words, up to the cursor, without the splits that are not the user's.
_diskloom_words() {
    local rest=$COMP_LINE word at
    words=()
    for ((at = 0; at <= COMP_CWORD; at++)); do
        word=\${COMP_WORDS[at]}
        if [[ \${#words[@]} -gt 0 && $rest != [[:space:]]* ]]; then
            words[\${#words[@]} - 1]+=$word
        else
            words+=("$word")
            rest=\${rest#"\${rest%%[![:space:]]*}"}
        fi
        rest=\${rest#"$word"}
    done
}

# Adds to the answers those of the words, the rest of the arguments, that begin with $2; $1 stands before them.
_diskloom_offer() {
    local before=$1 begun=$2 word
    shift 2
    for word; do
        [[ $word == "$begun"* ]] && COMPREPLY+=("$before$word")
    done
}

_diskloom_files() {
    local file
    compopt -o filenames 2>/dev/null
    while IFS= read -r file; do COMPREPLY+=("$1$file"); done < <(compgen -f -- "$2")
}

# $1 stands before what is completed, $2 is begun, $3 says what it is.
_diskloom_complete() {
    local IFS='|'
    case $3 in
        @file) _diskloom_files "$1" "$2" ;;
        @options) _diskloom_list "$1" "$2" ;;
        @*) ;;
        *) _diskloom_offer "$1" "$2" $3 ;;
    esac
}

# Words with their values: NAME=VALUES NAME=VALUES...
_diskloom_keyed() {
    local row
    for row in $3; do
        if [[ $2 == "\${row%%=*}="* ]]; then
            _diskloom_complete "$1\${row%%=*}=" "\${2#*=}" "\${row#*=}"
            return
        fi
    done
    compopt -o nospace 2>/dev/null
    for row in $3; do _diskloom_offer "$1" "$2" "\${row%%=*}="; done
}

# A list of key=value; the format decides which.
_diskloom_list() {
    local IFS=$' \\t\\n' what format choosers at last=\${2##*,}
    case $verb in
${verbs.flatMap(chooserCases).join('\n')}
    esac
    for ((at = 1; at < \${#words[@]} - 1; at++)); do
        case "|$choosers|" in
            *"|\${words[at]}|"*) format=\${words[at + 1]} ;;
            *"|\${words[at]%%=*}|"*) format=\${words[at]#*=} ;;
            *"|\${words[at]:0:2}|"*) [[ \${words[at]} != --* ]] && format=\${words[at]:2} ;;
        esac
    done
    _diskloom_table "$what" "$format"
    compopt -o nospace 2>/dev/null
    _diskloom_keyed "$1\${2%"$last"}" "$last" "$REPLY"
}

_diskloom() {
    local IFS=$' \\t\\n' words verb='' current names operands at last ended='' REPLY
    COMPREPLY=()
    _diskloom_words
    last=$((\${#words[@]} - 1))
    current=\${words[last]}
    for ((at = 1; at < last; at++)); do
        [[ \${words[at]} == -- ]] && ended=1
        [[ -z $verb && \${words[at]} != -* ]] && verb=\${words[at]}
    done
    if [[ -z $verb ]]; then
        _diskloom_offer '' "$current" ${verbs.map(({ name }) => name).join(' ')} ${PLAIN_OPTIONS.flatMap(
          spellings,
        ).join(' ')}
    else
        _diskloom_verb "$verb"
        _diskloom_value "$verb" "\${words[last - 1]}"
        if [[ -n $REPLY && -z $ended ]]; then
            _diskloom_complete '' "$current" "$REPLY"
        elif [[ $current == --*=* && -z $ended ]]; then
            _diskloom_value "$verb" "\${current%%=*}"
            _diskloom_complete "\${current%%=*}=" "\${current#*=}" "$REPLY"
        elif [[ $current == -* && -z $ended ]]; then
            _diskloom_offer '' "$current" $names
        elif [[ $operands == *=* ]]; then
            _diskloom_keyed '' "$current" "$operands"
        else
            _diskloom_complete '' "$current" "$operands"
        fi
    fi
    # bash replaces only what is behind the last character at which it splits words.
    local kept='' mark tail
    for mark in = :; do
        [[ $COMP_WORDBREAKS == *"$mark"* && $current == *"$mark"* ]] || continue
        tail=\${current##*"$mark"}
        [[ \${#kept} -lt $((\${#current} - \${#tail})) ]] && kept=\${current%"$tail"}
    done
    for at in "\${!COMPREPLY[@]}"; do COMPREPLY[at]=\${COMPREPLY[at]#"$kept"}; done
}

complete -F _diskloom diskloom
`;
}
