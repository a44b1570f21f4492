/*
 * version.h - the one place that holds the version; the Makefile reads it from here.
 */
#ifndef PGLOCKTOP_VERSION_H
#define PGLOCKTOP_VERSION_H

#define PGLOCKTOP_VERSION "0.1.0"

#endif
