#include "daemon/service/where_detail.h"

#include "daemon/service/notice.h"

static void lines_want(struct source_lines *lines, const struct where_scene *scene) {
    struct location location;
    for (uint32_t i = 0; i < scene->count; i++) {
        const struct thread_record *record = scene->threads[i].record;
        const struct frame *last = NULL;
        for (uint32_t j = 0; record != NULL && j < record->stack.depth; j++) {
            const struct frame *frame = &record->stack.frames[j];
            if (frame->code != NULL &&
                (last == NULL || frame->code != last->code || frame->unit != last->unit)) {
                code_locate(frame->code, frame->unit, &location);
                source_lines_want(lines, frame->code->file, location.line);
            }
            last = frame;
        }
    }
}

enum status where_detail_init(struct where_detail *detail, const struct where_scene *scene,
                              bool locals) {
    const struct py_layout *layout = &scene->runtime->layout;
    *detail = (struct where_detail){.locals = locals, .sync = sync_layout_find(layout)};
    enum status status = source_lines_create(&detail->lines);
    if (status == STATUS_OK && locals) {
        status = value_reader_init(&detail->values, where_scene_memory(scene), layout);
    }
    if (status != STATUS_OK) {
        return status;
    }
    lines_want(detail->lines, scene);
    enum status sources = source_lines_read(detail->lines, scene->process);
    if (sources != STATUS_OK) {
        notice_explain("no source lines: the files of process %d cannot be opened with its "
                       "owner's rights (%s)",
                       (int)scene->process->pid, status_name(sources));
    }
    return STATUS_OK;
}

void where_detail_deinit(struct where_detail *detail) {
    value_reader_deinit(&detail->values);
    source_lines_destroy(detail->lines);
    detail->lines = NULL;
}

const char *where_detail_line(const struct where_detail *detail, const struct frame *frame,
                              int32_t line) {
    return source_lines_find(detail->lines, frame->code->file, line);
}
