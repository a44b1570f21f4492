/*
 * scripts.h - a folder of text files, each of which is a test.
 */
#ifndef SCRIPTS_H
#define SCRIPTS_H

/* A whole file, malloc'd; where it cannot be had the test fails. */
char *scripts_read(const char *path);

/* Runs `test` with the path of each .txt file in the folder as its state; returns how many failed, 1 if there is none.
 */
int scripts_run(const char *name, const char *directory, void (*test)(void **path));

#endif
