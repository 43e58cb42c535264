/* All that differs between glibc, for which the other files are written, and musl. */
#ifndef LIBC_H
#define LIBC_H

#include <dlfcn.h>
#include <features.h>
#include <pthread.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* musl's macros of the plain names: it exports both. */
#undef sendfile64

#ifdef __GLIBC__
#include <linux/tcp.h>          /* has more than netinet/tcp.h */
#include <linux/vm_sockets.h>
typedef int mmsg_flags;
typedef unsigned long ioctl_request;
#else
#include <netinet/tcp.h>
typedef unsigned mmsg_flags;
typedef int ioctl_request;
#define _pthread_cleanup_buffer __ptcb
#define __prev __next
#define RTLD_DEEPBIND 0         /* there is none */
#define RWF_NOWAIT 8
#define SO_RCVTIMEO_OLD SO_RCVTIMEO
#define SO_SNDTIMEO_OLD SO_SNDTIMEO
#define SO_RCVTIMEO_NEW 66
#define SO_SNDTIMEO_NEW 67
#define SO_VM_SOCKETS_CONNECT_TIMEOUT 6
#endif

#endif
