# What `cmake --install` puts where: programs, man pages, completions, the papers.
install(TARGETS echion echiond RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

install(FILES man/echion.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES man/echiond.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)

# bash and fish look for a file by the command's name, so one file goes by two.
foreach(program IN ITEMS echion echiond)
    install(FILES dist/completions/echion.bash RENAME ${program}
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
    install(FILES dist/completions/echion.fish RENAME ${program}.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endforeach()
install(FILES dist/completions/_echion DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)

install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
