# Fish completion for echion(1) and echiond(8).

# The words of the command, whose options are its own; nothing as long as there is none.
function __echion_command
    set -l words (commandline -opc)
    # Fails, and leaves argv empty, where an option's value is yet to come.
    argparse -s p/pid= w/where= locals json o/output= format= i/interval= x/exposure= c/cpu C/children s/stealth no-shim q/quiet v/verbose \
        V/version h/help -- $words[2..-1] 2>/dev/null
    string escape -- $argv
end

function __echion_no_command
    test -z "$(__echion_command)"
end

function __echion_complete_command
    complete -C "$(__echion_command | string join ' ') $(commandline -ct)"
end

function __echion_report
    set -l words (commandline -opc)
    test "$words[2]" = report
end

function __echion_where
    set -l words (commandline -opc)
    test "$words[2]" = where
end

for program in echion echiond
    complete -c $program -f
    complete -c $program -n __echion_no_command -s p -l pid -x -a '(__fish_complete_pids)' -d 'Profile this process'
    complete -c $program -n __echion_no_command -s w -l where -x -a '(__fish_complete_pids)' -d 'Show what this process does now'
    complete -c $program -n __echion_no_command -l locals -d 'With -w: arguments and locals, too'
    complete -c $program -n __echion_no_command -l json -d 'With -w: one JSON document'
    complete -c $program -n __echion_no_command -s o -l output -r -F -d 'Where to write'
    complete -c $program -n __echion_no_command -l format -x -a 'austin mojo' -d 'The format, whatever the suffix'
    complete -c $program -n __echion_no_command -s i -l interval -x -a '100us 1ms 10ms 100ms' -d 'Time between samples'
    complete -c $program -n __echion_no_command -s x -l exposure -x -a '10 30 60' -d 'Sample for so many seconds'
    complete -c $program -n __echion_no_command -s c -l cpu -d 'CPU time, of the threads that use some'
    complete -c $program -n __echion_no_command -s C -l children -d 'Profile what it starts and forks, too'
    complete -c $program -n __echion_no_command -s s -l stealth -d 'Name nothing of ours in the started process'
    complete -c $program -n __echion_no_command -l no-shim -d 'Sample purely from outside'
    complete -c $program -n __echion_no_command -s q -l quiet -d 'No progress line and no line at the end'
    complete -c $program -n __echion_no_command -s v -l verbose -d 'Explain what is found and decided'
    complete -c $program -n __echion_no_command -s V -l version -d 'Print the version'
    complete -c $program -n __echion_no_command -s h -l help -d 'Print a summary of the options'
    complete -c $program -n __echion_no_command -x -a '(__fish_complete_command)'
    complete -c $program -n 'not __echion_no_command; and not __echion_report; and not __echion_where' \
        -x -a '(__echion_complete_command)'
end

complete -c echion -n __fish_is_first_arg -a report -d 'Time per function of a profile'
complete -c echion -n __fish_is_first_arg -a where -d 'What a process does now'
complete -c echion -n __echion_where -x -a '(__fish_complete_pids)'
complete -c echion -n __echion_where -l locals -d 'Arguments and locals, too'
complete -c echion -n __echion_where -l json -d 'One JSON document'
complete -c echion -n __echion_where -s C -l children -d 'Show what it has started, too'
complete -c echion -n __echion_where -s v -l verbose -d 'Each thread and each frame by itself'
complete -c echion -n __echion_report -F
complete -c echion -n __echion_report -s n -x -a '10 20 50 100' -d 'Show so many functions'
