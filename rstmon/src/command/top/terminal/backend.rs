//! What ratatui draws on: the bytes of a frame in memory. It asks the terminal nothing that the terminal would have to
//! answer, such as the position of the cursor (`ESC [ 6 n`): some never do, and the view would wait for them.

use ratatui::{
    backend::{Backend, ClearType, CrosstermBackend, WindowSize},
    buffer::Cell,
    layout::{Position, Size},
};
use rustix::termios::tcgetwinsize;
use std::{
    cell::RefCell,
    io::{self, Write},
    rc::Rc,
};

/// The size of a terminal that does not know its own, such as one on a serial line.
const UNKNOWN_SIZE: Size = Size { width: 80, height: 24 };

/// The bytes of the frame that is being drawn.
#[derive(Clone, Debug, Default)]
pub(super) struct FrameBytes(Rc<RefCell<Vec<u8>>>);

impl FrameBytes {
    pub(super) fn take(&self) -> Vec<u8> {
        self.0.take()
    }
}

impl Write for FrameBytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) struct FrameBackend(CrosstermBackend<FrameBytes>);

impl FrameBackend {
    pub(super) fn new(bytes: FrameBytes) -> Self {
        Self(CrosstermBackend::new(bytes))
    }
}

impl Backend for FrameBackend {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        self.0.draw(content)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.0.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.0.show_cursor()
    }

    /// Ratatui wants the position to restore it after clearing the screen. Each frame places or hides the cursor
    /// anyway.
    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.0.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.0.clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.0.clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        let size = tcgetwinsize(io::stdout())?;
        Ok(match Size::new(size.ws_col, size.ws_row) {
            Size { width: 0, .. } | Size { height: 0, .. } => UNKNOWN_SIZE,
            size => size,
        })
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size()?, pixels: Size::default() })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
