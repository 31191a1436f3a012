/* Threads that share one piece of work: they are started once, wait a little by spinning, then sleep. */

#ifndef KVZERO_TEAM_H
#define KVZERO_TEAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

#define MAX_MEMBERS 64
#define SPIN_NANOSECONDS 60000 /* longer than what lies between two simulations of a search */

typedef struct {
    atomic_int arrived;
    atomic_int phase;
    atomic_llong next; /* first item of the step under way that nobody took */
    int size;
} Team;

typedef void (*Task)(void *job, Team *team, int member);

static struct {
    pthread_mutex_t use;   /* held by the caller whose job runs */
    pthread_mutex_t sleep; /* guards `change` */
    pthread_cond_t change;
    atomic_int num_sleepers;
    atomic_int calls[MAX_MEMBERS]; /* counts the jobs that each worker was called to */
    int num_workers;
    Task task;
    void *job;
    Team team;
} pool = {.use = PTHREAD_MUTEX_INITIALIZER, .sleep = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER};

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

/* Return when `*number` is no longer `old`. */
static void wait_while(atomic_int *number, int old) {
    for (int64_t end = 0;;) {
        for (int i = 0; i < 32; i++) {
            if (atomic_load_explicit(number, memory_order_acquire) != old) return;
            relax();
        }
        int64_t now = nanoseconds();
        if (end == 0) end = now + SPIN_NANOSECONDS;
        else if (now >= end) break;
    }
    pthread_mutex_lock(&pool.sleep);
    atomic_fetch_add(&pool.num_sleepers, 1);
    while (atomic_load(number) == old) pthread_cond_wait(&pool.change, &pool.sleep);
    atomic_fetch_sub(&pool.num_sleepers, 1);
    pthread_mutex_unlock(&pool.sleep);
}

/* Wake those who sleep in `wait_while`; call it after changing what they wait for. */
static void wake(void) {
    if (atomic_load(&pool.num_sleepers) == 0) return;
    pthread_mutex_lock(&pool.sleep);
    pthread_cond_broadcast(&pool.change);
    pthread_mutex_unlock(&pool.sleep);
}

/* Return when all members of the team have come here. */
static void meet(Team *team) {
    int phase = atomic_load(&team->phase);
    if (atomic_fetch_add(&team->arrived, 1) + 1 < team->size) {
        wait_while(&team->phase, phase);
        return;
    }
    atomic_store(&team->arrived, 0);
    atomic_store(&team->next, 0);
    atomic_store(&team->phase, phase + 1);
    wake();
}

static void *work(void *argument) {
    int member = (int)(intptr_t)argument;
    for (int calls = 0;; calls++) {
        wait_while(&pool.calls[member], calls);
        pool.task(pool.job, &pool.team, member);
        meet(&pool.team);
    }
    return NULL;
}

static void forget_workers(void) {
    pthread_mutex_init(&pool.use, NULL);
    pthread_mutex_init(&pool.sleep, NULL);
    pthread_cond_init(&pool.change, NULL);
    pool.num_workers = 0;
    atomic_store(&pool.num_sleepers, 0);
    for (int i = 0; i < MAX_MEMBERS; i++) atomic_store(&pool.calls[i], 0);
}

/* Start workers until there are `wanted`; return how many there are. */
static int start_workers(int wanted) {
    static int is_registered = 0;
    if (!is_registered) is_registered = pthread_atfork(NULL, NULL, forget_workers) == 0;
    while (is_registered && pool.num_workers < wanted) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, (void *)(intptr_t)(pool.num_workers + 1)) != 0) break;
        pthread_detach(thread);
        pool.num_workers++;
    }
    return pool.num_workers < wanted ? pool.num_workers : wanted;
}

/* Let up to `size` threads do the task, the caller as member 0. Alone where others have the pool, or it is not to be had. */
static void run_team(int size, Task task, void *job) {
    Team alone = {.size = 1};
    if (size < 2 || pthread_mutex_trylock(&pool.use) != 0) {
        task(job, &alone, 0);
        return;
    }
    size = 1 + start_workers(size - 1);
    pool.task = task;
    pool.job = job;
    pool.team.size = size;
    atomic_store(&pool.team.arrived, 0);
    atomic_store(&pool.team.next, 0);
    for (int member = 1; member < size; member++) atomic_fetch_add(&pool.calls[member], 1);
    wake();
    task(job, &pool.team, 0);
    meet(&pool.team);
    pthread_mutex_unlock(&pool.use);
}

#endif
