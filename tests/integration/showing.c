/* showing [FILE [TEXT]]: prints its arguments and its environment in their order, by getenv's eyes
 * and by main's, and how /proc shows it; appends "with" or "without" the shim to FILE. Ends with
 * status 3. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static int has_shim(void) {
    static char line[8192];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        found |= strstr(line, "echion-shim") != NULL || strstr(line, "/memfd:lib") != NULL;
    }
    if (maps != NULL) {
        fclose(maps);
    }
    return found;
}

/* The bytes that the kernel shows, but for the zeros at their end. */
static void print_proc(void) {
    static char bytes[4 << 20];
    FILE *file = fopen("/proc/self/environ", "re");
    size_t size = file == NULL ? 0 : fread(bytes, 1, sizeof bytes, file);
    while (size > 0 && bytes[size - 1] == '\0') {
        size--;
    }
    for (size_t i = 0; i < size; i++) {
        putchar(bytes[i] == '\0' ? '\n' : bytes[i]);
    }
    putchar('\n');
    if (file != NULL) {
        fclose(file);
    }
}

int main(int argc, char **argv, char **env) {
    for (int i = 0; i < argc; i++) {
        printf("%.200s (%zu)\n", argv[i], strlen(argv[i]));
    }
    for (; *env != NULL; env++) {
        printf("%s\n", *env);
    }
    for (char **each = environ; *each != NULL; each++) {
        printf("%s\n", *each);
    }
    printf("LD_PRELOAD is %s\n", getenv("LD_PRELOAD"));
    print_proc();
    FILE *file = argc < 2 ? NULL : fopen(argv[1], "ae");
    if (file != NULL) {
        fprintf(file, "%s\n", has_shim() ? "with" : "without");
        fclose(file);
    }
    return 3;
}
