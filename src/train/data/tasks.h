// The tasks that lessons come from. Each makes one lesson from the generator's random numbers; what
// its key holds decides whether the lesson is for training or held out.
#pragma once

#include <cstdint>
#include <string>

#include "train/data/lesson.h"

namespace fathom::train {

// list_tasks.cc: lists of words, letters, digits or numbers, in English or Chinese.
Lesson copy_lesson(Rng& rng);
Lesson reverse_lesson(Rng& rng);
Lesson sort_lesson(Rng& rng);
Lesson count_lesson(Rng& rng);  // counts aloud, item by item
/// Long lists to repeat, whole or from one item on, or to reverse. Not a skill of its own: it
/// teaches to look for where a word stood before, which the other tasks rest on and find late by
/// themselves.
Lesson drill_lesson(Rng& rng);
/// Lists of numbers alone to repeat, where the same digits come again and again.
Lesson numbers_lesson(Rng& rng);

// number_tasks.cc: numbers of two digits, sometimes of one or three; sums column by column.
Lesson compare_lesson(Rng& rng);
Lesson add_lesson(Rng& rng);
Lesson subtract_lesson(Rng& rng);

// retrieval_task.cc: one of many values from a context of about `tokens` tokens. `questions` turns
// on the same context; they are drawn among the names that it speaks of and `unsaid` times as many
// others (one at least), as far as there are names.
Lesson retrieval_lesson(Rng& rng, int64_t tokens, int64_t questions, double unsaid);

// talk_tasks.cc
Lesson capital_lesson(Rng& rng);
Lesson currency_lesson(Rng& rng);
Lesson unknown_lesson(Rng& rng);  // the answer is "I don't know."
Lesson greeting_lesson(Rng& rng);
Lesson code_lesson(Rng& rng);

// form_tasks.cc
Lesson json_lesson(Rng& rng);
Lesson tool_call_lesson(Rng& rng);
Lesson tool_result_lesson(Rng& rng);  // the reply to what a tool gave back

}  // namespace fathom::train
