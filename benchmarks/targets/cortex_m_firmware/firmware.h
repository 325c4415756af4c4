/* What the measuring programs share: files on the host through semihosting, and a clock that
 * counts instructions when QEMU runs with -icount. */
#ifndef FIRMWARE_H
#define FIRMWARE_H

#include <stdint.h>

int32_t host_open(const char *path, int32_t write);
void host_read(int32_t file, void *memory, uint32_t length);
void host_write(int32_t file, const void *memory, uint32_t length);
void host_exit(int32_t failed);

void clock_start(void);
void clock_stop(void);
/* Ticks since clock_start; the high word counts overflows of the 24-bit timer. */
uint64_t clock_now(void);
/* Runs 2 * rounds instructions, to find out how many ticks one takes. */
void clock_spin(uint32_t rounds);

int main(void);

#endif
