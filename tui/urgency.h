/*
 * urgency.h - how soon the thread that answers keys runs, once it is woken, where all cores are busy.
 */
#ifndef URGENCY_H
#define URGENCY_H

/*
 * Asks the kernel to give the calling thread its turns early and short: it works for a moment at a time. That takes no
 * privilege and no time from others. Where the kernel has no such thing (Linux has it from 6.12 on), nothing changes.
 */
void urgency_raise(void);

#endif
