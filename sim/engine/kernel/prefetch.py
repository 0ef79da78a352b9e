"""Ask the processor for a record that will soon be read."""

from __future__ import annotations

# pyright: reportPrivateImportUsage=false
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array


@intrinsic
def prefetch(typing_context, array, i):
    """Fetch the cache line in which array[i] begins; `i` must not be negative. Changes nothing but the time taken."""

    def codegen(context, builder, signature, args):
        array_type, index_type = signature.args
        given = make_array(array_type)(context, builder, args[0])
        index = context.cast(builder, args[1], index_type, types.intp)
        at = cgutils.get_item_pointer(context, builder, array_type, given, [index])
        at = builder.bitcast(at, cgutils.voidptr_t)
        i32 = cgutils.int32_t
        kind = cgutils.ir.FunctionType(cgutils.ir.VoidType(), [at.type, i32, i32, i32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [at, i32(0), i32(3), i32(1)])  # to read, to all cache levels, data
        return context.get_dummy_value()

    return types.void(array, i), codegen
