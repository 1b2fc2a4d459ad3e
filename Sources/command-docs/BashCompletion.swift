import CommandLineOptions

enum BashCompletion {
    static var text: String {
        let options = CommandTree.options
        let takers = joined(spellings(options.filter { $0.takesValue }), by: "|")
        var values = ""
        for option in options where option.takesValue {
            values += "        \(option.spelling)) \(offer(option.completion)) ;;\n"
        }
        return """
            # bash completion for vmrun(1); made from its option table.

            # The values of option $1 that begin with $2.
            _vmrun_value()
            {
                local cur=$2
                # What stands behind a colon is the guest's.
                [[ $cur == *:* ]] && return
                case $1 in
            \(values)    esac
            }

            # The words of a command that begin with $1; the others are the command line's.
            _vmrun_command()
            {
                local cur=$1 options=
                shift
                case $1 in
            \(commands)    esac
                if [[ $cur == -* ]]; then
                    COMPREPLY=($(compgen -W "$options" -- "$cur"))
                else
                    COMPREPLY=($(compgen -d -- "$cur"))
                fi
            }

            _vmrun()
            {
                # COMP_WORDS is split at equals signs and colons, too.
                local line=${COMP_LINE:0:COMP_POINT} words index cur sysroot= needs=
                COMPREPLY=()
                read -ra words <<< "$line"
                [[ $line == *[[:space:]] ]] && words+=('')
                cur=${words[-1]}
                words=("${words[@]:1:${#words[@]}-2}")

                for ((index = 0; index < ${#words[@]}; ++index)); do
                    if [[ $needs ]]; then
                        [[ $needs == --sysroot ]] && sysroot=${words[index]}
                        needs=
                        continue
                    fi
                    case ${words[index]} in
                        --sysroot=*) sysroot=${words[index]#*=} ;;
                        \(takers)) needs=${words[index]} ;;
                        --) ((++index)); break ;;
                        -?*) ;;
                        *) break ;;
                    esac
                done
                if [[ $needs ]]; then
                    _vmrun_value "$needs" "$cur"
                elif ((index < ${#words[@]})); then
                    if ((index == 0)); then
                        case ${words[0]} in
                            \(joined(CommandTree.all.map { $0.first }, by: "|")))
                                case ${words[-1]} in
                                    \(takers)) _vmrun_value "${words[-1]}" "$cur"; return ;;
                                esac
                                _vmrun_command "$cur" "${words[@]}"
                                return
                                ;;
                        esac
                    fi
                    if declare -F _command_offset > /dev/null; then
                        _command_offset $((index + 1))
                    else
                        COMPREPLY=($(compgen -f -- "$cur"))
                    fi
                elif [[ $cur == --*=* ]]; then
                    _vmrun_value "${cur%%=*}" "${cur#*=}"
                elif [[ $cur == -* && " ${words[*]}" != *" --" ]]; then
                    COMPREPLY=($(compgen -W '\(joined(spellings(OptionDescription.listed)))' -- "$cur"))
                elif [[ $sysroot && $cur == /* ]]; then
                    COMPREPLY=($(compgen -f -- "${sysroot%/}$cur"))
                    COMPREPLY=("${COMPREPLY[@]#"${sysroot%/}"}")
                elif ((index == 0)); then
                    COMPREPLY=($(compgen -W '\(joined(CommandTree.all.map { $0.first }))' -c -f -- "$cur"))
                else
                    COMPREPLY=($(compgen -c -f -- "$cur"))
                fi
            }

            complete -o filenames -F _vmrun vmrun

            """
    }

    private static var commands: String {
        var text = ""
        for tree in CommandTree.all {
            text += "        \(tree.first))\n"
            let second = tree.commands.map { CommandTree.second(of: $0) }.filter { !$0.isEmpty }
            if second.isEmpty {
                let command = tree.commands[0]
                if command.options.isEmpty {
                    text += "            return\n            ;;\n"
                } else {
                    text += "            options='\(joined(spellings(command.options)))'\n            if [[ $cur != -* ]]; then\n"
                    text += "                COMPREPLY=($(compgen -W '\(command.choices)' -- \"$cur\"))\n"
                    text += "                return\n            fi\n            ;;\n"
                }
                continue
            }
            text += "            if (($# == 1)); then\n"
            text += "                COMPREPLY=($(compgen -W '\(joined(second))' -- \"$cur\"))\n"
            text += "                return\n            fi\n            case $2 in\n"
            for command in tree.commands where !command.options.isEmpty {
                text += "                \(CommandTree.second(of: command))) options='\(joined(spellings(command.options)))' ;;\n"
            }
            text += "            esac\n            ;;\n"
        }
        return text
    }

    private static func offer(_ completion: OptionDescription.Completion) -> String {
        switch completion {
        case .nothing: "COMPREPLY=()"
        case .directory: "COMPREPLY=($(compgen -d -- \"$cur\"))"
        case .file, .bind: "COMPREPLY=($(compgen -f -- \"$cur\"))"
        case .user: "COMPREPLY=($(compgen -u -- \"$cur\"))"
        case .variable: "COMPREPLY=($(compgen -v -- \"$cur\"))"
        case .words(let words): "COMPREPLY=($(compgen -W '\(words)' -- \"$cur\"))"
        }
    }
}
