/* Threads that help with one piece of work after another: started once, they wait a little by spinning, then sleep.
 *
 * Work is cut into chunks, which whoever is there takes. Its caller takes chunks too and waits for chunks that were
 * taken, never for a helper: one that the system keeps from running holds nobody up.
 */

#ifndef KVZERO_TEAM_H
#define KVZERO_TEAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

#define MAX_HELPERS 63
#define SPIN_NANOSECONDS 60000 /* longer than what lies between two simulations of a search */

/* Work on items `begin` to `end` - 1. */
typedef void (*Work)(const void *context, const void *what, int64_t begin, int64_t end);

/* The work under way is open while its ticket is. A ticket has the number of the work in its upper half and the next
 * chunk in its lower half; to take that chunk is to count the ticket up. As the number is part of what is compared, a
 * helper that was put aside in the middle and wakes in another work cannot take a chunk of that one by mistake. */
#define CLOSED 0xffffffffu

static struct {
    pthread_mutex_t use;   /* held by the thread whose work is done */
    pthread_mutex_t sleep; /* guards `change` */
    pthread_cond_t change;
    _Atomic uint64_t num_sleepers, ticket, num_done, num_chunks, num_allowed;
    _Atomic(Work) work;
    _Atomic(const void *) context, what;
    _Atomic int64_t count, chunk;
    int64_t num_helpers;
} team = {
    .use = PTHREAD_MUTEX_INITIALIZER,
    .sleep = PTHREAD_MUTEX_INITIALIZER,
    .change = PTHREAD_COND_INITIALIZER,
    .ticket = CLOSED,
};

static int64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Return when `*number` is no longer `old`.
 *
 * Nothing is missed between looking and sleeping: this thread counts itself among the sleepers and then looks again,
 * while whoever changes the number does so first and then looks for sleepers. Both are sequentially consistent, so that
 * one of the two sees the other; and whoever sees a sleeper needs the lock that is held until the sleeper waits. */
static void wait_while(_Atomic uint64_t *number, uint64_t old) {
    for (int64_t end = 0;;) {
        for (int i = 0; i < 32; i++) {
            if (atomic_load_explicit(number, memory_order_acquire) != old) return;
            relax();
        }
        int64_t now = nanoseconds();
        if (end == 0) end = now + SPIN_NANOSECONDS;
        else if (now >= end) break;
    }
    pthread_mutex_lock(&team.sleep);
    atomic_fetch_add(&team.num_sleepers, 1);
    while (atomic_load(number) == old) pthread_cond_wait(&team.change, &team.sleep);
    atomic_fetch_sub(&team.num_sleepers, 1);
    pthread_mutex_unlock(&team.sleep);
}

/* Wake those who sleep in `wait_while`; call it after changing what they wait for. */
static void wake(void) {
    if (atomic_load(&team.num_sleepers) == 0) return;
    pthread_mutex_lock(&team.sleep);
    pthread_cond_broadcast(&team.change);
    pthread_mutex_unlock(&team.sleep);
}

/* Take chunks of the work that is open until there are none left; return the ticket that had none. */
static uint64_t take_chunks(void) {
    uint64_t ticket = atomic_load(&team.ticket);
    for (;;) {
        /* Read before the chunk is taken: when that succeeds, the ticket has not changed, and neither have these. */
        Work work = atomic_load_explicit(&team.work, memory_order_relaxed);
        const void *context = atomic_load_explicit(&team.context, memory_order_relaxed);
        const void *what = atomic_load_explicit(&team.what, memory_order_relaxed);
        int64_t count = atomic_load_explicit(&team.count, memory_order_relaxed);
        int64_t chunk = atomic_load_explicit(&team.chunk, memory_order_relaxed);
        uint32_t index = (uint32_t)ticket;
        if (index == CLOSED || (int64_t)index * chunk >= count) return ticket;
        if (!atomic_compare_exchange_weak(&team.ticket, &ticket, ticket + 1)) continue;
        int64_t begin = (int64_t)index * chunk, end = begin + chunk < count ? begin + chunk : count;
        work(context, what, begin, end);
        if (atomic_fetch_add(&team.num_done, 1) + 1 == atomic_load(&team.num_chunks)) wake(); /* who waits for the last */
        ticket = atomic_load(&team.ticket);
    }
}

/* A helper's life. Those whose number is not below what the caller of `gather` allows sit this one out. */
static void *help(void *argument) {
    uint64_t number = (uint64_t)(uintptr_t)argument;
    for (;;) {
        uint64_t num_allowed = atomic_load(&team.num_allowed);
        if (number < num_allowed) wait_while(&team.ticket, take_chunks());
        else wait_while(&team.num_allowed, num_allowed);
    }
    return NULL;
}

/* A process that was forked off has no helpers, whatever they did at that moment. */
static void forget_helpers(void) {
    pthread_mutex_init(&team.use, NULL);
    pthread_mutex_init(&team.sleep, NULL);
    pthread_cond_init(&team.change, NULL);
    team.num_helpers = 0;
    atomic_store(&team.num_sleepers, 0);
    atomic_store(&team.ticket, CLOSED);
}

static void start_helpers(int64_t wanted) {
    static int is_registered = 0;
    if (!is_registered) is_registered = pthread_atfork(NULL, NULL, forget_helpers) == 0;
    while (is_registered && team.num_helpers < wanted) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, help, (void *)(uintptr_t)team.num_helpers) != 0) return;
        pthread_detach(thread);
        team.num_helpers++;
    }
}

/* Get hold of helpers, so that `threads` threads work with the caller's; 0 where others have them, or none is wanted. */
static int gather(int64_t threads) {
    if (threads < 2 || pthread_mutex_trylock(&team.use) != 0) return 0;
    int64_t helpers = threads - 1 < MAX_HELPERS ? threads - 1 : MAX_HELPERS;
    start_helpers(helpers);
    atomic_store(&team.num_allowed, (uint64_t)helpers);
    return 1;
}

static void dismiss(void) { pthread_mutex_unlock(&team.use); }

/* Do items 0 .. count - 1 with whoever helps; return when all are done. Only between `gather` and `dismiss`. */
static void do_together(Work work, const void *context, const void *what, int64_t count, int64_t chunk) {
    uint64_t number = (atomic_load(&team.ticket) >> 32) + 1;
    uint64_t num_chunks = (uint64_t)((count + chunk - 1) / chunk);
    /* Closed under the new number first: a helper that still holds an old ticket finds it changed while the fields
     * below are written, and cannot take a chunk of something half described. Opening it publishes them all. */
    atomic_store(&team.ticket, number << 32 | CLOSED);
    atomic_store(&team.num_done, 0);
    atomic_store(&team.num_chunks, num_chunks);
    atomic_store_explicit(&team.work, work, memory_order_relaxed);
    atomic_store_explicit(&team.context, context, memory_order_relaxed);
    atomic_store_explicit(&team.what, what, memory_order_relaxed);
    atomic_store_explicit(&team.count, count, memory_order_relaxed);
    atomic_store_explicit(&team.chunk, chunk, memory_order_relaxed);
    atomic_store(&team.ticket, number << 32);
    if (num_chunks > 1) wake();
    take_chunks();
    /* The barrier. It counts chunks that are done, not helpers that have come: one that took none is not waited for,
     * and what all the others wrote is visible from here on. */
    for (uint64_t done; (done = atomic_load(&team.num_done)) < num_chunks;) wait_while(&team.num_done, done);
}

#endif
