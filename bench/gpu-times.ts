/** @file Where the time of a device goes: its calls are watched from outside, so the engine is as it is. */

/** What time is spent on, in ms. Parts may overlap: a host records while its device computes. */
export interface GpuTimes {
  /** command lists, to the end of their submission */
  record: number;
  /** bytes that are written to buffers */
  upload: number;
  /** from a submission, or the end of the one before it, until the device has done it */
  compute: number;
  /** from then on until the host has its copy */
  readBack: number;
}

/** A GPU whose devices tell of their time. */
export interface WatchedGpu {
  gpu: GPU;
  /** What was spent since the last call. */
  take(): GpuTimes;
}

const nothing = (): GpuTimes => ({ record: 0, upload: 0, compute: 0, readBack: 0 });

/** An object with some members in place of its own; all others work on the object itself. */
function instead<T extends object>(object: T, members: Partial<T>): T {
  return new Proxy(object, {
    get(_, name) {
      if (name in members) return members[name as keyof T];
      const value = object[name as keyof T];
      return typeof value === 'function' ? value.bind(object) : value;
    },
  });
}

export function watchedGpu(gpu: GPU): WatchedGpu {
  let times = nothing();

  const watchedDevice = (device: GPUDevice): GPUDevice => {
    const { queue } = device;
    let recording = 0;
    /** when the device was done last */
    let done = 0;
    let computed: Promise<number> = Promise.resolve(0);
    const watchedQueue = instead(queue, {
      writeBuffer(...given: Parameters<GPUQueue['writeBuffer']>) {
        const start = performance.now();
        queue.writeBuffer(...given);
        times.upload += performance.now() - start;
        return undefined;
      },
      submit(lists: Iterable<GPUCommandBuffer>) {
        queue.submit(lists as GPUCommandBuffer[]);
        const submitted = performance.now();
        times.record += submitted - recording;
        computed = queue.onSubmittedWorkDone().then(() => {
          const now = performance.now();
          times.compute += now - Math.max(submitted, done);
          done = now;
          return now;
        });
        return undefined;
      },
    });
    return instead(device, {
      queue: watchedQueue,
      createCommandEncoder() {
        recording = performance.now();
        return device.createCommandEncoder();
      },
      createBuffer(descriptor: GPUBufferDescriptor) {
        const buffer = device.createBuffer(descriptor);
        const map = buffer.mapAsync.bind(buffer);
        const unmap = buffer.unmap.bind(buffer);
        let began = 0;
        buffer.mapAsync = async (...given) => {
          const end = computed;
          await map(...given);
          began = await end;
          return undefined;
        };
        buffer.unmap = () => {
          unmap();
          if (began > 0) times.readBack += performance.now() - began;
          began = 0;
          return undefined;
        };
        return buffer;
      },
    });
  };

  const watched = instead(gpu, {
    async requestAdapter(options?: GPURequestAdapterOptions) {
      const adapter = await gpu.requestAdapter(options);
      return (
        adapter &&
        instead(adapter, {
          requestDevice: async (descriptor?: GPUDeviceDescriptor) =>
            watchedDevice(await adapter.requestDevice(descriptor)),
        })
      );
    },
  });
  return {
    gpu: watched,
    take() {
      const taken = times;
      times = nothing();
      return taken;
    },
  };
}
